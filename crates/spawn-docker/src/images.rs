//! Which image a server gets, and how far its layers have come.

use std::collections::HashMap;

use bollard::models::CreateImageInfo;
use jansky_model::name::group_name;
use jansky_settings::OfferedImage;
use jansky_spawn::{Choice, Offer};
use serde_json::Value;

use crate::settings::DockerSettings;

/// The key in the options of a server that holds the id of an image.
const KEY: &str = "image";

/// The images that people may choose, the usual one first.
pub(crate) fn choice(settings: &DockerSettings) -> Choice {
    let mut offers: Vec<Offer> = settings
        .images
        .iter()
        .map(|(id, offered)| {
            let mut offer = Offer {
                value: id.clone(),
                title: id.clone(),
                ..Offer::default()
            };
            if let Some(described) = offered.described() {
                offer.title = described.title.clone().unwrap_or(offer.title);
                offer.description.clone_from(&described.description);
                let users = described.allowed_users.iter();
                offer.allowed_users = users.map(ToString::to_string).collect();
                let groups = described.allowed_groups.iter();
                offer.allowed_groups = groups.map(|name| group_name(name)).collect();
            }
            offer
        })
        .collect();
    let default = settings.default_image();
    offers.sort_by_key(|offer| Some(offer.value.as_str()) != default);
    Choice {
        key: KEY.to_owned(),
        title: "Image".to_owned(),
        offers,
    }
}

/// The image that a person's options choose: an id of the list, never the name of an image.
///
/// # Errors
/// What is wrong with the choice, for a person.
pub(crate) fn chosen<'a>(settings: &'a DockerSettings, options: &Value) -> Result<&'a str, String> {
    let id = match options.get(KEY) {
        None | Some(Value::Null) => settings.default_image().unwrap_or_default(),
        Some(Value::String(id)) => id,
        Some(_) => return Err("the option `image` must be a text".to_owned()),
    };
    settings
        .images
        .get(id)
        .map(OfferedImage::image)
        .ok_or_else(|| {
            format!(
                "the image `{id}` is not offered here; choose one of: {}",
                settings.image_ids()
            )
        })
}

/// The name and the tag or digest of an image, as the engine asks for them to fetch it.
pub(crate) fn split(image: &str) -> (&str, &str) {
    if let Some((name, digest)) = image.split_once('@') {
        return (name, digest);
    }
    // A colon before the last slash belongs to the port of the registry.
    match image.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => (name, tag),
        _ => (image, "latest"),
    }
}

/// Whether an image is the id of one that the engine already has; those are in no registry.
pub(crate) fn is_local_id(image: &str) -> bool {
    image.starts_with("sha256:")
}

/// How far the layers of an image have come.
#[derive(Default)]
pub(crate) struct Layers {
    layers: HashMap<String, Layer>,
    told: Option<u8>,
}

#[derive(Default)]
struct Layer {
    total: i64,
    fetched: i64,
    done: bool,
}

impl Layers {
    /// Takes in what the engine says. Gives a new message when there is something new to say, with
    /// the part that is done in percent.
    pub(crate) fn note(&mut self, info: &CreateImageInfo) -> Option<(u8, String)> {
        let id = info.id.as_ref()?;
        let status = info.status.as_deref()?;
        if !is_about_a_layer(status) {
            return None;
        }
        let layer = self.layers.entry(id.clone()).or_default();
        if let Some(detail) = &info.progress_detail
            && status == "Downloading"
        {
            layer.total = detail.total.unwrap_or(layer.total);
            layer.fetched = detail.current.unwrap_or(layer.fetched);
        }
        layer.done |= matches!(status, "Pull complete" | "Already exists");
        let percent = self.percent();
        // Every few percent are enough for a person.
        if self.told.is_some_and(|told| percent < told + 5) {
            return None;
        }
        self.told = Some(percent);
        let done = self.layers.values().filter(|layer| layer.done).count();
        let message = format!(
            "Fetching the image: {percent} % ({done} of {} layers)",
            self.layers.len()
        );
        Some((percent, message))
    }

    /// Layers count alike until their sizes are known.
    fn percent(&self) -> u8 {
        let parts = self.layers.values().map(|layer| match layer {
            Layer { done: true, .. } => 100,
            Layer { total: 1.., .. } => (layer.fetched * 90 / layer.total).clamp(0, 90),
            Layer { .. } => 0,
        });
        let count = i64::try_from(self.layers.len()).unwrap_or(1).max(1);
        u8::try_from(parts.sum::<i64>() / count).unwrap_or(100)
    }
}

/// The other messages have the tag as their id.
fn is_about_a_layer(status: &str) -> bool {
    matches!(
        status,
        "Pulling fs layer"
            | "Waiting"
            | "Downloading"
            | "Verifying Checksum"
            | "Download complete"
            | "Extracting"
            | "Pull complete"
            | "Already exists"
    )
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use bollard::models::ProgressDetail;
    use serde_json::json;

    use super::*;

    fn settings() -> DockerSettings {
        let section = json!({
            "images": {
                "default": "lab:1",
                "casa": { "image": "casa@sha256:12", "title": "CASA 6.7" },
            },
            "default_image": "default",
        });
        let section = serde_json::from_value(section).expect("a section");
        DockerSettings::new(section, "a", "/agent".into(), BTreeMap::new())
    }

    #[test]
    fn only_an_id_of_the_list_is_an_image() {
        let settings = settings();

        assert_eq!(chosen(&settings, &Value::Null), Ok("lab:1"));
        assert_eq!(chosen(&settings, &json!({})), Ok("lab:1"));
        let casa = json!({ "image": "casa" });
        assert_eq!(chosen(&settings, &casa), Ok("casa@sha256:12"));
        for wrong in ["casa@sha256:12", "lab:1", "alpine", ""] {
            let refused = chosen(&settings, &json!({ "image": wrong })).expect_err("not offered");
            assert!(refused.contains("casa, default"), "{refused}");
        }
        assert!(chosen(&settings, &json!({ "image": ["casa"] })).is_err());
    }

    #[test]
    fn the_usual_image_is_offered_first_and_each_under_its_title() {
        let mut settings = settings();
        let titles = |settings: &DockerSettings| {
            let offers = choice(settings).offers.into_iter();
            offers.map(|offer| offer.title).collect::<Vec<_>>()
        };

        assert_eq!(titles(&settings), ["default", "CASA 6.7"]);
        settings.default_image = Some("casa".to_owned());
        assert_eq!(titles(&settings), ["CASA 6.7", "default"]);
    }

    #[test]
    fn names_of_images_are_taken_apart() {
        assert_eq!(split("lab"), ("lab", "latest"));
        assert_eq!(split("lab:1"), ("lab", "1"));
        assert_eq!(split("reg:5000/a/lab"), ("reg:5000/a/lab", "latest"));
        assert_eq!(split("reg:5000/lab:2"), ("reg:5000/lab", "2"));
        assert_eq!(
            split("reg:5000/lab@sha256:ab"),
            ("reg:5000/lab", "sha256:ab")
        );
    }

    fn said(id: &str, status: &str, current: i64, total: i64) -> CreateImageInfo {
        CreateImageInfo {
            id: Some(id.to_owned()),
            status: Some(status.to_owned()),
            progress_detail: Some(ProgressDetail {
                current: Some(current),
                total: Some(total),
            }),
            ..CreateImageInfo::default()
        }
    }

    #[test]
    fn the_progress_of_layers_is_told_in_steps() {
        let mut layers = Layers::default();
        assert_eq!(layers.note(&said("1", "Pulling from lab", 0, 0)), None);
        assert!(layers.note(&said("a", "Pulling fs layer", 0, 0)).is_some());
        assert_eq!(layers.note(&said("b", "Pulling fs layer", 0, 0)), None);

        let half = layers.note(&said("a", "Downloading", 50, 100));
        let little_more = layers.note(&said("a", "Downloading", 51, 100));
        let done = layers.note(&said("a", "Pull complete", 0, 0));

        assert_eq!(half.map(|(percent, _)| percent), Some(22));
        assert_eq!(little_more, None);
        let done = done.expect("a layer is there");
        assert_eq!(done.1, "Fetching the image: 50 % (1 of 2 layers)");
    }
}
