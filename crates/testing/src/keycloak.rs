//! A real Keycloak, set up for one test through its administration API.

use std::time::Duration;

use jansky_model::Random as _;
use serde_json::{Value, json};

/// Reads a variable that the project's test command sets after it has started the providers.
///
/// # Panics
/// When it is not set.
pub fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| {
        panic!(
            "{name} is not set: this test needs a real provider; run the project's test command, \
             or start one with tests/services/ and source the env file it writes"
        )
    })
}

/// The administrator of the realm `jive`. Every call signs in anew if it has to, so it may be kept.
pub struct Administrator {
    http: reqwest::Client,
    base: String,
    token: String,
}

impl Administrator {
    /// Signs in.
    pub async fn sign_in() -> Self {
        let base = variable("JANSKY_TEST_KEYCLOAK_ADMIN_URL");
        let http = reqwest::Client::builder()
            .timeout(Duration::from_mins(1))
            .no_proxy()
            .build()
            .expect("the client is made");
        let user = variable("JANSKY_TEST_KEYCLOAK_ADMIN_USER");
        let password = variable("JANSKY_TEST_KEYCLOAK_ADMIN_PASSWORD");
        let form = [
            ("grant_type", "password"),
            ("client_id", "admin-cli"),
            ("username", user.as_str()),
            ("password", password.as_str()),
        ];
        let url = format!("{base}/realms/master/protocol/openid-connect/token");
        let answer = http.post(url).form(&form).send().await;
        let answer: Value = answer
            .expect("it answers")
            .json()
            .await
            .expect("it is JSON");
        let token = answer["access_token"]
            .as_str()
            .expect("it signs in")
            .to_owned();
        Self { http, base, token }
    }

    /// Calls the administration API below the realm; returns the body, null when there is none.
    pub async fn call(&self, method: &str, path: &str, body: Option<&Value>) -> Value {
        let url = format!("{}/admin/realms/jive/{path}", self.base);
        let method = method.parse().expect("a method");
        let mut request = self
            .http
            .request(method, &url)
            .bearer_auth(&self.token)
            .header("accept", "application/json");
        if let Some(body) = body {
            request = request.json(body);
        }
        let answer = request.send().await.expect("it answers");
        let status = answer.status();
        let text = answer.text().await.expect("the body is text");
        assert!(status.is_success(), "{url} answered {status}: {text}");
        serde_json::from_str(&text).unwrap_or(Value::Null)
    }

    /// A client by its `clientId`.
    async fn client(&self, client_id: &str) -> Value {
        let path = format!("clients?clientId={client_id}");
        let found = self.call("GET", &path, None).await;
        assert!(found[0].is_object(), "there is no client `{client_id}`");
        found[0].clone()
    }

    /// Makes a client that is like another one but for its name and these attributes.
    pub async fn copy_client(&self, like: &str, client_id: &str, attributes: &[(&str, &str)]) {
        let mut client = self.client(like).await;
        let fields = client.as_object_mut().expect("a client is an object");
        fields.remove("id");
        if let Some(mappers) = fields
            .get_mut("protocolMappers")
            .and_then(Value::as_array_mut)
        {
            for mapper in mappers.iter_mut().filter_map(Value::as_object_mut) {
                mapper.remove("id");
            }
        }
        client["clientId"] = json!(client_id);
        for (name, value) in attributes {
            client["attributes"][*name] = json!(value);
        }
        self.call("POST", "clients", Some(&client)).await;
    }

    /// Changes attributes of a client.
    pub async fn set_attributes(&self, client_id: &str, attributes: &[(&str, &str)]) {
        let mut client = self.client(client_id).await;
        for (name, value) in attributes {
            client["attributes"][*name] = json!(value);
        }
        let id = client["id"].as_str().expect("a client has an id");
        self.call("PUT", &format!("clients/{id}"), Some(&client))
            .await;
    }

    /// Makes a new key with which the realm signs from now on; the old ones stay published.
    pub async fn change_signing_key(&self) {
        const KEYS: &str = "org.keycloak.keys.KeyProvider";
        let realm = self.call("GET", "", None).await;
        // Later keys must win over those of earlier runs against the same server.
        let since = std::time::UNIX_EPOCH.elapsed();
        let priority = since.expect("it is after 1970").as_secs();
        let key = json!({
            "name": format!("key-{priority}"),
            "providerId": "rsa-generated",
            "providerType": KEYS,
            "parentId": realm["id"],
            "config": {
                "priority": [priority.to_string()],
                "enabled": ["true"],
                "active": ["true"],
                "algorithm": ["RS256"],
                "keySize": ["2048"],
            },
        });
        self.call("POST", "components", Some(&key)).await;
    }

    /// Makes a person with the password `NAME-password`; returns their id, which is their subject.
    pub async fn make_person(&self, name: &str) -> String {
        // Addresses stay with people who were renamed, so they are not made of the name alone.
        let mut mark = [0; 4];
        crate::MachineRandom.fill(&mut mark);
        let mark = u32::from_be_bytes(mark);
        let person = json!({
            "username": name,
            "enabled": true,
            "email": format!("{name}-{mark}@example.org"),
            "emailVerified": true,
            "firstName": name,
            "lastName": "Test",
            "credentials": [
                { "type": "password", "value": format!("{name}-password"), "temporary": false },
            ],
        });
        self.call("POST", "users", Some(&person)).await;
        self.person(name).await
    }

    /// The id of a person.
    pub async fn person(&self, name: &str) -> String {
        let path = format!("users?exact=true&username={name}");
        let found = self.call("GET", &path, None).await;
        let id = found[0]["id"].as_str();
        id.unwrap_or_else(|| panic!("there is no person `{name}`"))
            .to_owned()
    }

    /// Gives a person another name.
    pub async fn rename(&self, id: &str, name: &str) {
        let realm = self.call("GET", "", None).await;
        if realm["editUsernameAllowed"] != true {
            let change = json!({ "editUsernameAllowed": true });
            self.call("PUT", "", Some(&change)).await;
        }
        let change = json!({ "username": name });
        self.call("PUT", &format!("users/{id}"), Some(&change))
            .await;
    }

    /// Makes a group at the top; returns its id.
    pub async fn make_group(&self, name: &str) -> String {
        self.call("POST", "groups", Some(&json!({ "name": name })))
            .await;
        let path = format!("groups?search={name}");
        let found = self.call("GET", &path, None).await;
        let id = found[0]["id"].as_str().expect("the group is there");
        id.to_owned()
    }

    /// Adds a person to a group.
    pub async fn join(&self, person: &str, group: &str) {
        let path = format!("users/{person}/groups/{group}");
        self.call("PUT", &path, None).await;
    }

    /// Takes a person out of a group.
    pub async fn leave(&self, person: &str, group: &str) {
        let path = format!("users/{person}/groups/{group}");
        self.call("DELETE", &path, None).await;
    }

    /// Ends all sessions of a person.
    pub async fn sign_out(&self, person: &str) {
        self.call("POST", &format!("users/{person}/logout"), None)
            .await;
    }

    /// Ends one session.
    pub async fn end_session(&self, id: &str) {
        self.call("DELETE", &format!("sessions/{id}"), None).await;
    }

    /// The sessions that a person has.
    pub async fn sessions(&self, person: &str) -> Vec<Value> {
        let path = format!("users/{person}/sessions");
        let found = self.call("GET", &path, None).await;
        found.as_array().cloned().unwrap_or_default()
    }
}
