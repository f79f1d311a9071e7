//! One's own second factor: set up, taken away, and its recovery codes.

use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::Response;
use jansky_hub::{
    Actor, FormError, HubError, SecondFactorRule, SecondFactorSetUp, SecondFactorState,
    SetUpBrowser,
};
use jansky_model::Secret;
use qrcodegen::{QrCode, QrCodeEcc};

use crate::error::{log, status_of, with_error_headers};
use crate::pages::password::{at, whole};
use crate::pages::second_step;
use crate::views::{FactorSetUp, FactorState, Picture, RecoveryCodesPage, SecondFactorPage};
use crate::visit::{PageResult, Refusal, Visit, redirect};

/// `GET /hub/account/second-factor`
pub(crate) async fn get(visit: Visit) -> Response {
    let result = async {
        let actor = visit.signed_in()?;
        show(&visit, actor, "", None).await
    }
    .await;
    visit.answer(result)
}

/// `POST /hub/account/second-factor`: makes it count.
pub(crate) async fn turn_on(visit: Visit, request: Request) -> Response {
    send(visit, request, Form::On).await
}

/// `POST /hub/account/second-factor/off`
pub(crate) async fn turn_off(visit: Visit, request: Request) -> Response {
    send(visit, request, Form::Off).await
}

/// `POST /hub/account/second-factor/recovery-codes`: makes new ones.
pub(crate) async fn recovery_codes(visit: Visit, request: Request) -> Response {
    send(visit, request, Form::Codes).await
}

/// The forms of the page.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    On,
    Off,
    Codes,
}

impl Form {
    /// Its name on the page.
    const fn name(self) -> &'static str {
        match self {
            Self::On => "on",
            Self::Off => "off",
            Self::Codes => "codes",
        }
    }
}

/// Does what a form asks for, or shows the page again with what is wrong.
async fn send(visit: Visit, request: Request, form: Form) -> Response {
    let result = async {
        let actor = visit.signed_in()?;
        let fields = visit.form(request).await?;
        let address = visit.peer.address.to_string();
        let (current, otp) = (fields.secret("current"), fields.secret("otp"));
        let hub = &visit.web.hub;
        let done = match form {
            Form::On => {
                let codes = hub
                    .people
                    .turn_on_second_factor(actor, current, &otp, &address);
                codes.await
            }
            Form::Codes => {
                let codes = hub.people.new_recovery_codes(actor, &otp, &address);
                codes.await
            }
            Form::Off => {
                let off = hub
                    .people
                    .turn_off_second_factor(actor, current, &otp, &address);
                return match off.await {
                    // Everybody must have one here: the session has ended until another is set up.
                    Ok(Some(cookie)) => Ok(second_step::begin(&visit, &cookie)),
                    Ok(None) => Ok(redirect(&visit.hub_path("account?done=second-factor-off"))),
                    Err(error) => refuse(&visit, actor, form, error).await,
                };
            }
        };
        match done {
            Ok(codes) => {
                let is_new = form == Form::On;
                let page = codes_page(codes, is_new, visit.hub_path("account"));
                Ok(visit.page_with_status(StatusCode::OK, "Recovery codes", &page))
            }
            Err(error) => refuse(&visit, actor, form, error).await,
        }
    }
    .await;
    visit.answer(result)
}

/// The page that shows recovery codes, this once.
pub(crate) const fn codes_page(
    codes: Vec<Secret>,
    is_new: bool,
    next_url: String,
) -> RecoveryCodesPage {
    RecoveryCodesPage {
        codes,
        is_new,
        next_url,
    }
}

async fn refuse(visit: &Visit, actor: &Actor, form: Form, error: FormError) -> PageResult {
    match error.error {
        HubError::NotFound(_) | HubError::Internal { .. } => Err(Refusal::Error(error.error)),
        // Set up or taken away in another browser: the page says how it stands.
        HubError::Conflict(_) => Ok(redirect(&visit.hub_path("account/second-factor"))),
        _ => {
            log(&error.error);
            show(visit, actor, form.name(), Some(&error)).await
        }
    }
}

async fn show(visit: &Visit, actor: &Actor, form: &str, error: Option<&FormError>) -> PageResult {
    let hub = &visit.web.hub;
    let missing = || HubError::not_found("There are no second factors for your account here.");
    let account = hub.people.local_account(actor).await?;
    account.ok_or_else(missing)?;
    let state = match hub.people.second_factor_of(actor).await? {
        SecondFactorState::Off => return Err(missing().into()),
        SecondFactorState::None => FactorState::None {
            set_up: set_up(
                &hub.people
                    .begin_second_factor(SetUpBrowser::Session(actor), &visit.web.site_name)
                    .await?,
            ),
            action: visit.hub_path("account/second-factor"),
        },
        SecondFactorState::On {
            since,
            recovery_codes,
            is_readable,
        } => FactorState::On {
            since,
            recovery_codes,
            is_readable,
            is_required: hub.settings().second_factor == SecondFactorRule::Required,
            codes_action: visit.hub_path("account/second-factor/recovery-codes"),
            off_action: visit.hub_path("account/second-factor/off"),
        },
    };
    let page = SecondFactorPage {
        state,
        account_url: visit.hub_path("account"),
        form: form.to_owned(),
        current_error: at(error, "current"),
        otp_error: at(error, "otp"),
        error: whole(error),
    };
    let status = error.map_or(StatusCode::OK, |error| status_of(&error.error));
    let response = visit.page_with_status(status, "Second factor", &page);
    Ok(match error {
        Some(error) => with_error_headers(response, &error.error),
        None => response,
    })
}

/// What to bring into an app, as pages show it.
pub(crate) fn set_up(set_up: &SecondFactorSetUp) -> FactorSetUp {
    let letters: Vec<char> = set_up.secret.expose().chars().collect();
    let groups: Vec<String> = letters.chunks(4).map(String::from_iter).collect();
    FactorSetUp {
        picture: picture(&set_up.uri),
        secret: Secret::new(groups.join(" ")),
    }
}

/// A text as a QR code; nothing to see for one that is too long.
fn picture(text: &Secret) -> Picture {
    use std::fmt::Write as _;

    let Ok(code) = QrCode::encode_text(text.expose(), QrCodeEcc::Medium) else {
        return Picture {
            size: 1,
            path: Secret::new(""),
        };
    };
    let size = code.size();
    let mut path = String::new();
    for y in 0..size {
        let mut x = 0;
        while x < size {
            let begin = x;
            while x < size && code.get_module(x, y) {
                x += 1;
            }
            if x > begin {
                let _ = write!(path, "M{begin} {y}h{}v1h-{}z", x - begin, x - begin);
            }
            x += 1;
        }
    }
    Picture {
        size: u32::try_from(size).unwrap_or(1),
        path: Secret::new(path),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_picture_draws_each_black_square_once() {
        let text = Secret::new("otpauth://totp/Test:river?secret=GEZDGNBVGY3TQOJQ");
        let code = QrCode::encode_text(text.expose(), QrCodeEcc::Medium).expect("short enough");

        let picture = picture(&text);

        let mut black = 0;
        for stroke in picture.path.expose().split('M').skip(1) {
            let (place, rest) = stroke.split_once('h').expect("a stroke");
            let (x, y) = place.split_once(' ').expect("a place");
            let (x, y): (i32, i32) = (x.parse().expect("a number"), y.parse().expect("a number"));
            let (length, _) = rest.split_once('v').expect("a length");
            for offset in 0..length.parse::<i32>().expect("a number") {
                assert!(code.get_module(x + offset, y));
                black += 1;
            }
        }
        let squares = (0..code.size()).flat_map(|y| (0..code.size()).map(move |x| (x, y)));
        let expected = squares.filter(|(x, y)| code.get_module(*x, *y)).count();
        assert_eq!(black, expected);
    }

    #[test]
    fn a_text_that_no_picture_holds_gives_an_empty_one() {
        assert_eq!(picture(&Secret::new("x".repeat(5000))).path.expose(), "");
    }
}
