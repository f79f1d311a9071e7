//! As much of a browser as a provider's login pages need: cookies, redirects and forms.

use std::time::Duration;

use reqwest::{Client, Response};
use url::Url;

/// A fresh browser without cookies.
pub struct Browser {
    http: Client,
}

/// A form as it stands in a page.
struct Form {
    action: Url,
    fields: Vec<(String, String)>,
}

impl Default for Browser {
    fn default() -> Self {
        Self::new()
    }
}

impl Browser {
    /// One that has been nowhere.
    pub fn new() -> Self {
        let http = Client::builder()
            .cookie_store(true)
            .redirect(reqwest::redirect::Policy::none())
            .timeout(Duration::from_mins(1))
            .build()
            .expect("the client is made");
        Self { http }
    }

    /// Opens `start` and follows redirects to the first page; returns where that is.
    pub async fn land(&self, start: &Url) -> Url {
        let mut url = start.clone();
        for _ in 0..12 {
            let answer = self.http.get(url).send().await.expect("the page opens");
            match location(&answer) {
                Some(next) => url = next,
                None => return answer.url().clone(),
            }
        }
        panic!("the redirects do not come to an end");
    }

    /// Opens `start` and fills in every form that comes, with `values` for the fields of these
    /// names, until the provider sends the browser to `target`; returns that URL.
    pub async fn sign_in(&self, start: &Url, target: &str, values: &[(&str, &str)]) -> Url {
        let mut answer = self
            .http
            .get(start.clone())
            .send()
            .await
            .expect("the page opens");
        let mut story = vec![start.path().to_owned()];
        for _ in 0..12 {
            if let Some(location) = location(&answer) {
                if location.as_str().starts_with(target) {
                    return location;
                }
                story.push(location.path().to_owned());
                answer = self
                    .http
                    .get(location)
                    .send()
                    .await
                    .expect("the redirect leads somewhere");
                continue;
            }
            let (status, url) = (answer.status(), answer.url().clone());
            let page = answer.text().await.expect("the page is text");
            let Some(form) = form(&url, &page, values) else {
                panic!("no form at {url} with status {status} after {story:?}:\n{page}");
            };
            story.push(format!("form to {}", form.action.path()));
            answer = self
                .http
                .post(form.action)
                .form(&form.fields)
                .send()
                .await
                .expect("the form is accepted");
        }
        panic!("the provider does not come to an end: {story:?}");
    }
}

fn location(answer: &Response) -> Option<Url> {
    let location = answer.headers().get("location")?.to_str().ok()?;
    answer.url().join(location).ok()
}

/// The first form of a page, filled in.
fn form(page_url: &Url, page: &str, values: &[(&str, &str)]) -> Option<Form> {
    let start = page.find("<form")?;
    let end = page[start..].find("</form>")? + start;
    let form = &page[start..end];
    let tag = &form[..=form.find('>')?];
    let action = page_url.join(&attribute(tag, "action")?).ok()?;
    let mut fields = Vec::new();
    for (position, _) in form.match_indices("<input") {
        let tag = &form[position..=position + form[position..].find('>')?];
        let Some(name) = attribute(tag, "name") else {
            continue;
        };
        if attribute(tag, "type").as_deref() == Some("checkbox") {
            continue;
        }
        let given = values.iter().find(|(field, _)| *field == name);
        let value = given
            .map(|(_, value)| (*value).to_owned())
            .or_else(|| attribute(tag, "value"));
        fields.push((name, value.unwrap_or_default()));
    }
    Some(Form { action, fields })
}

fn attribute(tag: &str, name: &str) -> Option<String> {
    let marker = format!(" {name}=\"");
    let spaced = tag.replace(['\n', '\t'], " ");
    let start = spaced.find(&marker)? + marker.len();
    let value = &spaced[start..start + spaced[start..].find('"')?];
    Some(
        value
            .replace("&amp;", "&")
            .replace("&quot;", "\"")
            .replace("&#x2F;", "/"),
    )
}
