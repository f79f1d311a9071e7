//! One request, as handlers see it: who asks, from where, and how to answer with a page.

use std::io::ErrorKind;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::body::Body;
use axum::extract::{FromRequestParts, Request};
use axum::http::header::{
    ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST, LOCATION, SET_COOKIE, USER_AGENT,
};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use http_body_util::LengthLimitError;
use jansky_hub::action::{Action as _, AnswerSignUps, OpenAdminPages};
use jansky_hub::{Actor, Credential, HubError, OnBehalfOf, SharedActor};
use jansky_model::scope::Target;
use jansky_model::{ByteSize, Secret};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use url::Url;

use crate::cookies::{self, SetCookie};
use crate::error::{ApiError, log, public_message, status_of, with_error_headers};
use crate::next_url::{path_on_server_host, safe_next};
use crate::pages::sign_in;
use crate::state::{Peer, Web, WebState};
use crate::static_files;
use crate::views::{ErrorPage, Frame, FrameUser, Link, Page};
use crate::xsrf::{self, Surface};

/// The most bytes that the body of a form or an API call may have.
#[derive(Clone, Copy)]
pub(crate) struct BodyLimit(pub(crate) usize);

/// A request with its caller, if that is known.
pub(crate) struct Visit {
    pub(crate) web: WebState,
    /// Who asks, if it is known.
    pub(crate) actor: Option<SharedActor>,
    absence: NoCaller,
    pub(crate) peer: Peer,
    pub(crate) method: Method,
    pub(crate) uri: Uri,
    pub(crate) headers: HeaderMap,
    /// The browser, where nobody is signed in; found out when it is needed.
    visitor: OnceLock<xsrf::Visitor>,
    /// Whether the answer may change the browser's cookies.
    may_set_cookies: bool,
}

/// Why a request has no caller, when it has none.
#[derive(Clone)]
enum NoCaller {
    /// It brought no credential, or none that holds.
    Stranger,
    /// The database did not answer.
    Unknown,
    /// A script used a browser's cookie without knowing its token.
    Forged(&'static str),
    /// It brought a token of somebody who has to sign in again first.
    SignInAgain(String),
}

impl NoCaller {
    fn to_error(&self) -> HubError {
        match self {
            Self::Stranger => HubError::forbidden("Missing or invalid credentials."),
            Self::Unknown => HubError::Unavailable {
                message: "The database does not answer at the moment. Try again in a moment."
                    .to_owned(),
                source: None,
            },
            Self::Forged(message) => HubError::forbidden(*message),
            Self::SignInAgain(message) => HubError::SignInAgain(message.clone()),
        }
    }
}

/// What a page handler gives instead of a page.
pub(crate) enum Refusal {
    /// Nobody is signed in: go to the sign-in page and come back.
    SignIn,
    /// Somebody is, and has to sign in again before they can do this.
    SignInAgain,
    /// Something did not work.
    Error(HubError),
}

impl<E: Into<HubError>> From<E> for Refusal {
    fn from(error: E) -> Self {
        Self::Error(error.into())
    }
}

/// Put into the extensions of an answer whose form may lead to other sites, named as sources of a content
/// security policy. Browsers check every redirect that follows a form against that policy.
#[derive(Clone, Debug)]
pub(crate) struct FormsMayLeadTo(pub(crate) String);

/// What page handlers return.
pub(crate) type PageResult = Result<Response, Refusal>;

impl FromRequestParts<WebState> for Visit {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, web: &WebState) -> Result<Self, ApiError> {
        let peer = Peer::of(&parts.extensions)?;
        let (mut actor, mut absence) = match find_actor(web, &parts.headers, peer).await {
            Ok(actor) => (actor, NoCaller::Stranger),
            Err(HubError::SignInAgain(message)) => (None, NoCaller::SignInAgain(message)),
            Err(error) => {
                log(&error);
                (None, NoCaller::Unknown)
            }
        };
        // Pages have the token in them, so a script that does not send the token gets them as a stranger
        // does. For methods that change something the token is checked where the body is read.
        let session = xsrf::session(actor.as_deref());
        if let Some(session) = session.filter(|_| parts.method.is_safe()) {
            let expected = || xsrf::of_session(web, session);
            let query = parts.uri.query();
            let checked = xsrf::check(
                Surface::Pages,
                &parts.method,
                &parts.headers,
                query,
                is_unsaid_believed(web, actor.as_deref()),
                &[],
                expected,
            );
            if let Err(message) = checked {
                (actor, absence) = (None, NoCaller::Forged(message));
            }
        }
        if let Some(actor) = &actor {
            jansky_hub::note_caller(actor.user.name.as_str());
        }
        Ok(Self {
            web: Arc::clone(web),
            actor,
            absence,
            peer,
            method: parts.method.clone(),
            uri: parts.uri.clone(),
            headers: parts.headers.clone(),
            visitor: OnceLock::new(),
            may_set_cookies: true,
        })
    }
}

/// Finds the caller. What a trusted proxy says about them is applied first and may end their session.
async fn find_actor(
    web: &Web,
    headers: &HeaderMap,
    peer: Peer,
) -> Result<Option<SharedActor>, HubError> {
    let found = known_actor(web, headers).await?;
    if let Some(actor) = &found
        && web
            .hub
            .people
            .apply_proxy_headers(actor, peer.connection, headers)
            .await?
    {
        return known_actor(web, headers).await;
    }
    Ok(found)
}

/// A token counts before a cookie, and with a token that is not valid no cookie counts.
async fn known_actor(web: &Web, headers: &HeaderMap) -> Result<Option<SharedActor>, HubError> {
    if let Some(token) = bearer(headers) {
        return web.hub.people.token_caller(token).await;
    }
    let (name, _) = cookies::own(web.hub.settings(), cookies::SIGN_IN, "");
    for cookie in cookies::values(headers, name) {
        if let Some(actor) = web.hub.people.session_caller(cookie).await? {
            return Ok(Some(actor));
        }
    }
    Ok(None)
}

/// The token in `Authorization`, with either of the schemes that JupyterHub takes.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    let is_known = scheme.eq_ignore_ascii_case("token") || scheme.eq_ignore_ascii_case("bearer");
    is_known.then(|| token.trim())
}

/// Whether a request of this caller without Fetch Metadata counts as a person's. It does when no server's
/// pages share the hub's origin, and when the caller is a program, in which no pages run.
fn is_unsaid_believed(web: &Web, actor: Option<&Actor>) -> bool {
    let credential = actor.map(|actor| &actor.credential);
    let is_browser = matches!(
        credential,
        Some(Credential::Session {
            in_browser: true,
            ..
        })
    );
    !is_browser || !web.hub.settings().needs_fetch_metadata()
}

impl Visit {
    /// A request whose caller was not looked up. The browser may be signed in and have the token of its
    /// session in a cookie, so the answer sets none.
    pub(crate) fn of_stranger(web: &WebState, head: &Parts, peer: Peer) -> Self {
        Self {
            web: Arc::clone(web),
            actor: None,
            absence: NoCaller::Stranger,
            peer,
            method: head.method.clone(),
            uri: head.uri.clone(),
            headers: head.headers.clone(),
            visitor: OnceLock::new(),
            may_set_cookies: false,
        }
    }

    /// The same request as if nobody were signed in.
    pub(crate) fn as_stranger(&self) -> Self {
        Self {
            web: Arc::clone(&self.web),
            actor: None,
            absence: NoCaller::Stranger,
            peer: self.peer,
            method: self.method.clone(),
            uri: self.uri.clone(),
            headers: self.headers.clone(),
            visitor: OnceLock::new(),
            may_set_cookies: true,
        }
    }

    /// The person at a browser, if one is signed in. Tokens open no pages: a page acts with all
    /// that its user may do, whatever the token allows.
    pub(crate) fn person(&self) -> Option<&SharedActor> {
        self.actor.as_ref().filter(|actor| actor.is_browser())
    }

    /// The person at a browser, or a refusal that leads to the sign-in page.
    pub(crate) fn signed_in(&self) -> Result<&SharedActor, Refusal> {
        self.person().ok_or(Refusal::SignIn)
    }

    /// The person or the program that asks, or a refusal that leads to the sign-in page.
    pub(crate) fn known(&self) -> Result<&SharedActor, Refusal> {
        self.actor.as_ref().ok_or(Refusal::SignIn)
    }

    /// The caller of a page for programs, or why there is none.
    pub(crate) fn caller(&self) -> Result<&SharedActor, HubError> {
        self.actor.as_ref().ok_or_else(|| self.absence.to_error())
    }

    /// The caller of an API call: known, and protected against forgery when it is a browser.
    pub(crate) fn api_caller(&self) -> Result<&SharedActor, HubError> {
        let actor = self.caller()?;
        if actor.is_browser() {
            xsrf::check(
                Surface::Api,
                &self.method,
                &self.headers,
                self.uri.query(),
                is_unsaid_believed(&self.web, Some(actor)),
                &self.own_addresses(),
                || self.xsrf(),
            )
            .map_err(HubError::forbidden)?;
        }
        Ok(actor)
    }

    /// The fields of a posted form, after its token was checked.
    pub(crate) async fn form(&self, request: Request) -> Result<Fields, HubError> {
        let fields = Fields::read(request).await?;
        if !self.is_our_form(&fields) {
            return Err(HubError::forbidden(
                "This page was open for too long or your session changed. \
                 Go back, reload the page and try again.",
            ));
        }
        Ok(fields)
    }

    /// Whether a person sent a form that carries the token against forgery which this browser was given.
    /// A script that found the token would read the answer.
    pub(crate) fn is_our_form(&self, fields: &Fields) -> bool {
        let sent = fields.get("_xsrf").map(str::to_owned);
        let sent = sent.or_else(|| xsrf::sent(&self.headers, self.uri.query()));
        let expected = self.xsrf();
        let is_sent = sent.is_some_and(|sent| jansky_crypto::token::equal(&sent, &expected));
        let is_by_person = xsrf::is_navigation(&self.headers);
        is_sent && is_by_person && !self.is_from_elsewhere()
    }

    /// The prefix of the hub's pages.
    pub(crate) fn hub(&self) -> String {
        self.web.hub.settings().hub_prefix()
    }

    /// A path below the hub's prefix.
    pub(crate) fn hub_path(&self, rest: &str) -> String {
        format!("{}{rest}", self.hub())
    }

    /// What the browser calls itself, if it does.
    pub(crate) fn browser(&self) -> Option<&str> {
        self.headers.get(USER_AGENT)?.to_str().ok()
    }

    /// Scheme, host and port under which the browser sees the hub.
    pub(crate) fn origin(&self) -> Url {
        if let Some(url) = &self.web.hub.settings().public_url {
            return url.clone();
        }
        self.request_origin()
    }

    /// Whether the browser says that a page of another origin caused the request.
    pub(crate) fn is_from_elsewhere(&self) -> bool {
        xsrf::is_from_elsewhere(&self.headers, &self.own_addresses())
    }

    /// The addresses at which the browser may see the hub.
    fn own_addresses(&self) -> [Url; 2] {
        [self.origin(), self.request_origin()]
    }

    /// Scheme, host and port that this very request was sent to.
    pub(crate) fn request_origin(&self) -> Url {
        let scheme = if self.peer.secure { "https" } else { "http" };
        let host = self.headers.get(HOST).and_then(|host| host.to_str().ok());
        let host = host.or_else(|| self.uri.authority().map(axum::http::uri::Authority::as_str));
        let told = host.and_then(|host| Url::parse(&format!("{scheme}://{host}/")).ok());
        // A host is a name and a port; what makes more of it is not taken.
        let told = told.filter(|url| url.username().is_empty() && url.path() == "/");
        told.unwrap_or_else(|| Url::parse("http://localhost/").expect("a constant URL"))
    }

    /// A path as the browser would write it whole.
    pub(crate) fn absolute(&self, path: &str) -> String {
        let joined = self.origin().join(path).map(String::from);
        joined.unwrap_or_else(|_| path.to_owned())
    }

    /// Whether cookies must only be sent over TLS.
    pub(crate) fn is_secure(&self) -> bool {
        self.peer.secure || self.web.hub.settings().is_public_secure()
    }

    /// One argument of the query.
    pub(crate) fn query(&self, name: &str) -> Option<String> {
        self.query_pairs()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value)
    }

    /// All arguments of the query.
    pub(crate) fn query_pairs(&self) -> impl Iterator<Item = (String, String)> + '_ {
        url::form_urlencoded::parse(self.uri.query().unwrap_or_default().as_bytes())
            .map(|(key, value)| (key.into_owned(), value.into_owned()))
    }

    /// Where the person wants to go, if it is on this host.
    pub(crate) fn next(&self, text: &str) -> Option<String> {
        let on_hub = path_on_server_host(text, self.web.hub.settings());
        let text = on_hub.as_deref().unwrap_or(text);
        safe_next(text, &self.origin(), &self.web.hub.settings().base)
    }

    /// The token for forms and for the address of an event stream.
    pub(crate) fn xsrf(&self) -> String {
        match xsrf::session(self.actor.as_deref()) {
            Some(session) => xsrf::of_session(&self.web, session),
            None => xsrf::of_visitor(&self.web, self.visitor()),
        }
    }

    fn visitor(&self) -> &xsrf::Visitor {
        self.visitor.get_or_init(|| {
            let known = self.own_cookies(cookies::VISITOR).find(|id| !id.is_empty());
            xsrf::Visitor::of(&self.headers, known, self.web.hub.random())
        })
    }

    /// The address of this request on the wire: path and query.
    pub(crate) fn here(&self) -> String {
        self.uri
            .path_and_query()
            .map_or_else(|| self.hub(), ToString::to_string)
    }

    /// A page with status 200.
    pub(crate) fn page<P: Page>(&self, title: &str, page: &P) -> Response {
        self.page_with_status(StatusCode::OK, title, page)
    }

    /// A page with another status.
    pub(crate) fn page_with_status<P: Page>(
        &self,
        status: StatusCode,
        title: &str,
        page: &P,
    ) -> Response {
        let frame = self.frame(title);
        let html = match self.web.renderer.render(&frame, page) {
            Ok(html) => html,
            Err(error) => {
                log(&HubError::internal("could not render a page", error));
                return (
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "This page could not be made.",
                )
                    .into_response();
            }
        };
        let html_type = (
            CONTENT_TYPE,
            HeaderValue::from_static("text/html; charset=utf-8"),
        );
        let mut response = (status, [html_type], html).into_response();
        self.set_xsrf_cookie(&mut response);
        response
    }

    /// Sets the cookie with the token unless the browser has it. Not in answers to scripts: the new token
    /// would replace that of the pages that are open.
    fn set_xsrf_cookie(&self, response: &mut Response) {
        let xsrf = self.xsrf();
        let has_it = cookies::values(&self.headers, cookies::XSRF).any(|value| value == xsrf);
        if has_it || !self.may_set_cookies || !xsrf::is_navigation(&self.headers) {
            return;
        }
        if let Some(visitor) = self.visitor.get().filter(|visitor| visitor.is_new) {
            self.set_own_cookie(response, cookies::VISITOR, &visitor.id, &self.hub(), None);
        }
        self.set_cookie(response, &self.xsrf_cookie(&xsrf));
    }

    fn xsrf_cookie(&self, value: &str) -> String {
        SetCookie {
            name: cookies::XSRF,
            value,
            path: &self.hub(),
            secure: self.is_secure(),
            // A page of a server could otherwise read it below the hub's path.
            http_only: true,
            max_age: None,
        }
        .to_header()
    }

    /// The cookie with the token of a session that begins with this answer.
    pub(crate) fn xsrf_cookie_for_session(&self, session_id: &str) -> String {
        self.xsrf_cookie(&xsrf::of_session(&self.web, session_id))
    }

    #[expect(
        clippy::unused_self,
        reason = "reads as what the visit does to its answer"
    )]
    pub(crate) fn set_cookie(&self, response: &mut Response, cookie: &str) {
        if let Ok(value) = HeaderValue::from_str(cookie) {
            response.headers_mut().append(SET_COOKIE, value);
        }
    }

    /// The values that this browser has of a cookie that the hub alone reads.
    pub(crate) fn own_cookies<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let (name, _) = cookies::own(self.web.hub.settings(), name, "");
        cookies::values(&self.headers, name)
    }

    /// Sets such a cookie, for `max_age` or until the browser closes.
    pub(crate) fn set_own_cookie(
        &self,
        response: &mut Response,
        name: &str,
        value: &str,
        path: &str,
        max_age: Option<Duration>,
    ) {
        let (name, path) = cookies::own(self.web.hub.settings(), name, path);
        let cookie = SetCookie {
            name: &name,
            value,
            path,
            secure: self.is_secure(),
            http_only: true,
            max_age,
        };
        self.set_cookie(response, &cookie.to_header());
    }

    /// Takes such a cookie away.
    pub(crate) fn remove_own_cookie(&self, response: &mut Response, name: &str, path: &str) {
        self.set_own_cookie(response, name, "", path, Some(Duration::ZERO));
    }

    fn frame(&self, title: &str) -> Frame {
        let user = self.actor.as_deref().map(|actor| {
            let by = OnBehalfOf::from(actor);
            let may_administer = by.may(OpenAdminPages::SCOPES, Target::Hub);
            let may_approve = may_administer && by.may(AnswerSignUps::SCOPES, Target::Hub);
            FrameUser {
                name: actor.user.name.to_string(),
                admin: actor.user.admin,
                may_administer,
                waiting: if may_approve {
                    self.web.hub.people.waiting_sign_ups()
                } else {
                    0
                },
            }
        });
        Frame {
            title: title.to_owned(),
            site_name: self.web.site_name.clone(),
            base: self.hub(),
            user,
            // A script, frame or prefetch gets no token, whoever is signed in.
            xsrf: if xsrf::is_navigation(&self.headers) {
                self.xsrf()
            } else {
                String::new()
            },
            static_version: static_files::version().to_owned(),
            announcement: self.web.announcement.clone(),
        }
    }

    /// Turns a page handler's result into an answer.
    pub(crate) fn answer(&self, result: PageResult) -> Response {
        match result {
            Ok(response) => response,
            Err(Refusal::SignIn) => match &self.absence {
                NoCaller::Stranger => self.to_sign_in(),
                absence => self.error(&absence.to_error()),
            },
            Err(Refusal::SignInAgain) => {
                let here = self.here();
                let next = utf8_percent_encode(&here, NON_ALPHANUMERIC);
                let login = self.hub_path("login");
                redirect(&format!("{login}?{}=1&next={next}", sign_in::AGAIN))
            }
            Err(Refusal::Error(error)) => self.error(&error),
        }
    }

    fn to_sign_in(&self) -> Response {
        let here = self.here();
        let next = utf8_percent_encode(&here, NON_ALPHANUMERIC);
        redirect(&format!("{}?next={next}", self.hub_path("login")))
    }

    /// An error as a page that says what to do next, or as JSON for a program.
    pub(crate) fn error(&self, error: &HubError) -> Response {
        log(error);
        let status = status_of(error);
        let response = self.error_page(status, &public_message(error));
        with_error_headers(response, error)
    }

    /// A page about a status.
    pub(crate) fn error_page(&self, status: StatusCode, message: &str) -> Response {
        let wants_json = self
            .headers
            .get(ACCEPT)
            .and_then(|accept| accept.to_str().ok())
            .is_some_and(|accept| accept.starts_with("application/json"));
        if wants_json {
            let body = serde_json::json!({ "status": status.as_u16(), "message": message });
            return (status, axum::Json(body)).into_response();
        }
        let (heading, advice) = words_for(status);
        let mut links = vec![Link {
            title: "Home".to_owned(),
            url: self.hub_path("home"),
        }];
        if self.actor.is_none() {
            links.insert(
                0,
                Link {
                    title: "Sign in".to_owned(),
                    url: self.hub_path("login"),
                },
            );
        }
        let page = ErrorPage {
            status: status.as_u16(),
            heading: heading.to_owned(),
            message: message.to_owned(),
            advice: advice.iter().map(|&line| line.to_owned()).collect(),
            request_id: None,
            links,
        };
        self.page_with_status(status, heading, &page)
    }
}

/// A heading and what to do, for each status that a person can meet.
fn words_for(status: StatusCode) -> (&'static str, &'static [&'static str]) {
    match status.as_u16() {
        400 => (
            "That did not work",
            &["Go back and try again from the page before."],
        ),
        403 => (
            "You may not do this",
            &["Sign in with another account, or ask the operator of this site for access."],
        ),
        404 => (
            "Nothing is here",
            &["Check the address, or begin at the home page."],
        ),
        409 => (
            "Not now",
            &["Something else is under way. Look at the home page."],
        ),
        424 => (
            "Your server is not running",
            &["Start it on the home page."],
        ),
        408 => ("The request took too long", &["Try again."]),
        413 => ("The request is too large", &["Send less at once."]),
        414 => (
            "The address is too long",
            &["Go back and try again from the page before."],
        ),
        429 => ("Too much at once", &["Wait a little and try again."]),
        431 => (
            "The request is too large",
            &["Delete the cookies of this site and try again."],
        ),
        502 | 503 => ("Not reachable at the moment", &["Try again in a moment."]),
        504 => ("No answer in time", &["Try again in a moment."]),
        _ => (
            "Something went wrong",
            &["Try again. If it happens again, tell the operator when it happened."],
        ),
    }
}

/// Sends the browser to another page with GET.
pub(crate) fn redirect(to: &str) -> Response {
    match HeaderValue::from_str(to) {
        Ok(to) => (StatusCode::FOUND, [(LOCATION, to)], Body::empty()).into_response(),
        Err(_) => (StatusCode::BAD_REQUEST, "This address cannot be used.").into_response(),
    }
}

/// The fields of a form.
#[derive(Debug)]
pub(crate) struct Fields(Vec<(String, String)>);

impl Fields {
    pub(crate) async fn read(request: Request) -> Result<Self, HubError> {
        let bytes = read_body(request).await?;
        let pairs = url::form_urlencoded::parse(&bytes);
        let fields = pairs.map(|(k, v)| (k.into_owned(), v.into_owned()));
        Ok(Self(fields.collect()))
    }

    /// One field.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    /// One field as text, empty when it is missing.
    pub(crate) fn text(&self, name: &str) -> &str {
        self.get(name).unwrap_or_default()
    }

    /// One field that is secret.
    pub(crate) fn secret(&self, name: &str) -> Secret {
        Secret::new(self.text(name))
    }

    /// All fields but the token against forgery.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .iter()
            .filter(|(key, _)| key != "_xsrf")
            .map(|(k, v)| (k.as_str(), v.as_str()))
    }
}

/// Reads a body of a bounded size.
pub(crate) async fn read_body(request: Request) -> Result<axum::body::Bytes, HubError> {
    // A request without a limit in its extensions has no body.
    let limit = request.extensions().get::<BodyLimit>();
    let limit = limit.map_or(0, |limit| limit.0);
    let body = axum::body::to_bytes(request.into_body(), limit).await;
    body.map_err(|error| body_error(error.into_inner().as_ref(), limit))
}

/// Why a body could not be read. The cause is always the client, so it is never an internal error.
fn body_error(error: &(dyn std::error::Error + 'static), limit: usize) -> HubError {
    let causes = std::iter::successors(Some(error), |error| error.source());
    for cause in causes {
        if cause.is::<LengthLimitError>() {
            let limit = ByteSize(limit as u64);
            return HubError::TooLarge(format!(
                "The body of the request is larger than {limit} (hub.max_body_size)."
            ));
        }
        // With these kinds of error the proxy says what the client did.
        let kind = cause.downcast_ref().map(std::io::Error::kind);
        if let Some(ErrorKind::TimedOut | ErrorKind::OutOfMemory) = kind {
            return HubError::TooSlow(cause.to_string());
        }
    }
    HubError::invalid("The body of the request is malformed or broke off.")
}
