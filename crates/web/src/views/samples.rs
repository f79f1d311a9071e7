//! One sample of every state that a page can be in: for the tests, and for looking at the pages.

mod access;
mod local;
mod people;
mod servers;
mod sign_in;

use jansky_model::Timestamp;

use super::{Frame, FrameUser, Page};
use crate::render::{RenderError, Renderer};

/// A name that breaks every page which forgets to escape.
const HOSTILE: &str = "\"'><script>alert(1)</script><img src=x onerror=alert(2)>{{ 7 * 7 }}";

type Render = dyn Fn(&Renderer, &Frame) -> Result<String, RenderError> + Send + Sync;

/// One page in one state.
pub struct Sample {
    /// What it shows, usable as a file name.
    pub name: &'static str,
    /// File name of its template.
    pub template: &'static str,
    /// Title of the page.
    pub title: String,
    /// Whether somebody is signed in.
    pub signed_in: bool,
    render: Box<Render>,
}

impl Sample {
    fn new<P: Page + Send + Sync + 'static>(
        name: &'static str,
        title: &str,
        signed_in: bool,
        page: P,
    ) -> Self {
        Self {
            name,
            template: P::TEMPLATE,
            title: title.to_owned(),
            signed_in,
            render: Box::new(move |renderer, frame| renderer.render(frame, &page)),
        }
    }

    /// Renders the page inside [`sample_frame`].
    pub fn render(&self, renderer: &Renderer) -> Result<String, RenderError> {
        let mut frame = sample_frame(&self.title, self.signed_in);
        if self.name == "home" {
            frame.announcement =
                Some("Maintenance on Sunday from 08:00 to 10:00 UTC: servers will stop.".into());
        }
        if self.name.ends_with("hostile") {
            frame.announcement = Some(HOSTILE.into());
            frame.site_name = HOSTILE.into();
            frame.user = Some(FrameUser {
                name: HOSTILE.into(),
                admin: true,
                may_administer: true,
                waiting: 3,
            });
        }
        (self.render)(renderer, &frame)
    }
}

/// The frame that the samples are shown in.
pub fn sample_frame(title: &str, signed_in: bool) -> Frame {
    Frame {
        title: title.to_owned(),
        site_name: "Jansky".into(),
        base: "/hub/".into(),
        user: signed_in.then(|| FrameUser {
            name: "river".into(),
            admin: false,
            may_administer: false,
            waiting: 0,
        }),
        xsrf: "sample-xsrf".into(),
        static_version: crate::static_files::version().to_owned(),
        announcement: None,
    }
}

/// All samples.
pub fn samples() -> Vec<Sample> {
    let mut all = sign_in::sign_in();
    all.extend(sign_in::sign_out());
    all.extend(sign_in::setup());
    all.extend(servers::home());
    all.extend(servers::choose());
    all.extend(servers::spawn());
    all.extend(people::account());
    all.extend(people::admin());
    all.extend(local::passwords());
    all.extend(local::second_factors());
    all.extend(local::sign_ups());
    all.extend(access::consent());
    all.extend(access::accept_share());
    all.extend(access::device());
    all.extend(access::tokens());
    all.extend(access::audit());
    all.extend(access::errors());
    all
}

fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).expect("sample times are ISO 8601")
}
