//! Browsers in which people sign in.

use url::Url;

use super::{Answer, Client, OpenId, PASSWORD, TestWeb};

impl TestWeb {
    /// A browser in which this person has signed in through the form of local accounts.
    pub(crate) async fn browser(&self, name: &str) -> Client {
        self.account(name).await;
        let browser = self.anonymous();
        browser.type_password(name, PASSWORD).await.must_be(302);
        browser
    }

    /// A browser in which somebody has signed in at a provider.
    pub(crate) async fn browser_at(&self, provider: &OpenId, subject: &str) -> Client {
        let browser = self.anonymous();
        browser.sign_in_at(provider, subject).await.must_be(302);
        browser
    }

    /// A browser with a session of this person, made without the form.
    pub(crate) async fn session(&self, name: &str) -> Client {
        let session = self.behind.session(name).await;
        let browser = self.anonymous();
        browser.keep("jupyterhub-hub-login", session.cookie.expose(), "/hub/");
        browser.keep("jupyterhub-session-id", &session.session_id, "/");
        browser
    }
}

impl Client {
    /// Posts the form of local accounts, which is the first one.
    pub(crate) async fn type_password(&self, name: &str, password: &str) -> Answer {
        let fields = [("username", name), ("password", password)];
        self.post("/hub/login", &fields).await
    }

    /// Posts the form of a provider.
    pub(crate) async fn type_password_at(
        &self,
        provider: &str,
        name: &str,
        password: &str,
    ) -> Answer {
        let fields = [
            ("provider", provider),
            ("username", name),
            ("password", password),
        ];
        self.post("/hub/login", &fields).await
    }

    /// Goes where a link of the hub leads, signs in there and comes back.
    pub(crate) async fn follow(&self, link: &str, provider: &OpenId, subject: &str) -> Answer {
        let answer = self.get(link).await.must_be(302);
        self.come_back_from(&answer, provider, subject).await
    }

    /// Signs in where an answer of the hub leads and comes back.
    pub(crate) async fn come_back_from(
        &self,
        answer: &Answer,
        provider: &OpenId,
        subject: &str,
    ) -> Answer {
        let url = Url::parse(answer.location()).expect("an address at the provider");
        let query = provider.op.sign_in_as(&url, subject);
        self.get(&format!("/hub/oauth_callback?{query}")).await
    }

    /// Signs somebody in at a provider.
    pub(crate) async fn sign_in_at(&self, provider: &OpenId, subject: &str) -> Answer {
        let link = format!("/hub/oauth_login?idp={}", provider.settings.id);
        self.follow(&link, provider, subject).await
    }

    /// Links somebody's identity with the button on the account page.
    pub(crate) async fn link_at(&self, provider: &OpenId, subject: &str) -> Answer {
        let link = self.link_button(provider).await;
        self.follow(&link, provider, subject).await
    }

    /// Where the button on the account page leads that links an identity of a provider.
    pub(crate) async fn link_button(&self, provider: &OpenId) -> String {
        let page = self.get("/hub/account").await.must_be(200).html();
        let wanted = format!("/hub/oauth_login?idp={}&", provider.settings.id);
        let mut links = page.all("a").filter_map(|(_, a)| a.get("href"));
        let link = links.find(|href| href.starts_with(&wanted));
        link.expect("the account page offers it").to_owned()
    }
}
