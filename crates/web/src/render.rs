//! Turns a page and its frame into HTML.
//!
//! The templates are inside the program. An operator may put a file of the same name into the
//! template directory to replace one of them; everything that it extends or includes is looked up
//! the same way. A value that a template asks for and does not get is an error, never empty text.

use std::path::PathBuf;

use jansky_model::Timestamp;
use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{
    AutoEscape, Environment, ErrorKind, TemplateSource, UndefinedBehavior, Value, context,
};
use rust_embed::RustEmbed;

use crate::views::{Frame, Page};

#[derive(RustEmbed)]
#[folder = "templates/"]
struct Templates;

/// Why a page could not be made.
#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    /// The operator's template directory is not there.
    #[error("template directory `{}` is not a directory; make it or leave `template_dir` out", .0.display())]
    NoDirectory(PathBuf),
    /// A template has a mistake or asks for a value that does not exist.
    #[error("template `{template}` cannot be rendered; see the position in the cause")]
    Template {
        /// Name of the template.
        template: String,
        /// What is wrong with it, and where.
        #[source]
        source: minijinja::Error,
    },
}

/// Renders pages. Cheap to share behind an `Arc`.
#[derive(Debug)]
pub struct Renderer {
    environment: Environment<'static>,
}

impl Renderer {
    /// Loads all templates, those in `template_dir` first, so that a mistake shows at start.
    pub fn new(template_dir: Option<PathBuf>) -> Result<Self, RenderError> {
        if let Some(directory) = &template_dir
            && !directory.is_dir()
        {
            return Err(RenderError::NoDirectory(directory.clone()));
        }
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_auto_escape_callback(|_| AutoEscape::Html);
        environment.set_auto_reload(false);
        environment.set_syntax(without_lines_of_tags());
        environment.add_filter("moment", moment);
        environment.add_filter("sentence", sentence);
        environment.set_loader(move |name| {
            if let Some(directory) = &template_dir {
                let own = minijinja::path_loader(directory)(name)?;
                if own.is_some() {
                    return Ok(own);
                }
            }
            let Some(file) = Templates::get(name) else {
                return Ok(None);
            };
            match String::from_utf8(file.data.into_owned()) {
                Ok(text) => Ok(Some(TemplateSource::new(text))),
                Err(source) => Err(minijinja::Error::new(
                    ErrorKind::InvalidOperation,
                    "template is not UTF-8",
                )
                .with_source(source)),
            }
        });
        for name in Templates::iter() {
            environment
                .get_template(&name)
                .map_err(|source| RenderError::Template {
                    template: name.clone().into_owned(),
                    source,
                })?;
        }
        Ok(Self { environment })
    }

    /// Renders one page in its frame.
    pub fn render<P: Page>(&self, frame: &Frame, page: &P) -> Result<String, RenderError> {
        self.environment
            .get_template(P::TEMPLATE)
            .and_then(|template| {
                template.render(context! {
                    frame => Value::from(Serde(frame)),
                    page => Value::from(Serde(page)),
                })
            })
            .map_err(|source| RenderError::Template {
                template: P::TEMPLATE.to_owned(),
                source,
            })
    }
}

/// The names of all templates in the program, which are those that an operator can replace.
pub fn template_names() -> impl Iterator<Item = String> {
    Templates::iter().map(std::borrow::Cow::into_owned)
}

/// The usual syntax, where a line with only a block tag leaves no line in the page.
fn without_lines_of_tags() -> SyntaxConfig {
    SyntaxConfig::builder()
        .trim_blocks(true)
        .lstrip_blocks(true)
        .build()
        .expect("only white space differs from the default syntax")
}

/// Shows names that stand in backticks, as messages have them, the way pages show names.
fn sentence(text: &str) -> Value {
    let mut html = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, name, after)) = rest.split_once('`').and_then(|(before, after)| {
        let (name, after) = after.split_once('`')?;
        Some((before, name, after))
    }) {
        html.push_str(&escaped(before));
        html.push_str("<code>");
        html.push_str(&escaped(name));
        html.push_str("</code>");
        rest = after;
    }
    html.push_str(&escaped(rest));
    Value::from_safe_string(html)
}

fn escaped(text: &str) -> String {
    minijinja::HtmlEscape(text).to_string()
}

/// Writes an ISO 8601 time for a person: `26 July 2026, 09:14 UTC`.
fn moment(iso: &str) -> String {
    Timestamp::parse(iso)
        .and_then(|time| jiff::Timestamp::from_microsecond(time.micros()).ok())
        .map_or_else(
            || iso.to_owned(),
            |time| {
                time.to_zoned(jiff::tz::TimeZone::UTC)
                    .strftime("%-d %B %Y, %H:%M UTC")
                    .to_string()
            },
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_messages_are_marked_and_nothing_else_gets_through() {
        let shown = |text| sentence(text).to_string();

        assert_eq!(
            shown("the server of `river`."),
            "the server of <code>river</code>."
        );
        assert_eq!(shown("<b> `<i>` `"), "&lt;b&gt; <code>&lt;i&gt;</code> `");
    }
}
