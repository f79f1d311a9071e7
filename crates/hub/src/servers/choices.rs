//! What people choose when they start a server: an image, where there are several.

use jansky_spawn::{Choice, Offer};
use jansky_store::User;
use serde_json::{Map, Value};

use crate::servers::Servers;
use crate::shared::error::HubError;
use jansky_access::Permit;
use jansky_access::action::StartServer;

impl Servers {
    /// What somebody may choose for their servers, each with what they may have.
    pub async fn choices_of(
        &self,
        permit: &Permit<'_, StartServer>,
    ) -> Result<Vec<Choice>, HubError> {
        self.choices_for(&permit.on().owner).await
    }

    async fn choices_for(&self, user: &User) -> Result<Vec<Choice>, HubError> {
        let mut choices = self.spawner.choices();
        if choices.is_empty() {
            return Ok(choices);
        }
        let groups = self.store.groups_of(user.id).await?;
        for choice in &mut choices {
            choice
                .offers
                .retain(|offer| offer.is_for(user.name.as_str(), &groups));
        }
        Ok(choices)
    }

    /// The options of a start in which every choice is made: as asked, as the last time, or the
    /// first of what somebody may have.
    pub(crate) async fn options_of_start(
        &self,
        user: &User,
        asked: Option<Value>,
        last: &Value,
    ) -> Result<Value, HubError> {
        let is_asked = asked.is_some();
        let mut options = asked.unwrap_or_else(|| last.clone());
        for choice in self.choices_for(user).await? {
            if options.is_null() {
                options = Value::Object(Map::new());
            }
            let Some(options) = options.as_object_mut() else {
                return Err(HubError::invalid("The options must be a JSON object."));
            };
            let value = options.get(&choice.key).filter(|value| !value.is_null());
            let is_offered = value.is_some_and(|value| {
                let offered = |offer: &Offer| value.as_str() == Some(&offer.value);
                choice.offers.iter().any(offered)
            });
            if is_offered {
                continue;
            }
            // What was chosen the last time may not be offered any more.
            if let Some(value) = value.filter(|_| is_asked) {
                return Err(not_offered(&choice, value));
            }
            let Some(first) = choice.offers.first() else {
                return Err(HubError::forbidden(format!(
                    "{}: nothing is offered to you. Ask the operator.",
                    choice.title
                )));
            };
            options.insert(choice.key, Value::from(first.value.as_str()));
        }
        Ok(options)
    }
}

fn not_offered(choice: &Choice, value: &Value) -> HubError {
    let offered: Vec<&str> = choice.offers.iter().map(|o| o.value.as_str()).collect();
    HubError::invalid(format!(
        "The option `{}` cannot be {value} here; choose one of: {}.",
        choice.key,
        offered.join(", ")
    ))
}
