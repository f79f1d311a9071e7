//! What holds for every page in every state.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use jansky_web::render::{RenderError, Renderer};
use jansky_web::static_files;
use jansky_web::views::{Sample, SignOutPage, sample_frame, samples};

use crate::html::Document;

fn each_page(check: impl Fn(&Sample, &str, &Document)) {
    let renderer = Renderer::new(None).expect("our own templates have no mistakes");
    for sample in samples() {
        let html = sample
            .render(&renderer)
            .unwrap_or_else(|error| panic!("`{}` does not render: {error:?}", sample.name));
        let document = Document::parse(&html);
        check(&sample, &html, &document);
    }
}

/// What a page says and asks: its elements with text, with where they lead and what they send.
fn outline(page: &Document) -> String {
    const SHOWN: [&str; 8] = [
        "action",
        "href",
        "name",
        "type",
        "value",
        "required",
        "checked",
        "aria-label",
    ];
    let main = page.all("main").next().map(|(index, _)| index);
    let mut lines = String::new();
    for (index, tag) in page.0.iter().enumerate() {
        let text = tag.text.split_whitespace().collect::<Vec<_>>().join(" ");
        let shown = SHOWN.into_iter().filter_map(|name| {
            let value = tag.get(name)?;
            Some(format!(" {name}={value:?}"))
        });
        let shown: String = shown.collect();
        let inside = main.is_some_and(|main| page.is_inside(index, main));
        if inside && !(text.is_empty() && shown.is_empty()) {
            let line = format!("{}{shown} {text}", tag.name);
            let _ = writeln!(lines, "{}", line.trim_end());
        }
    }
    lines
}

#[test]
fn every_page_reads_as_its_golden_file() {
    let mut golden = insta::Settings::clone_current();
    golden.set_snapshot_path("golden/pages");
    golden.set_prepend_module_to_snapshot(false);
    golden.set_omit_expression(true);
    golden.bind(|| {
        each_page(|sample, _, page| {
            // What these show is what must not be taken for more than text.
            if !sample.name.ends_with("hostile") {
                insta::assert_snapshot!(sample.name, outline(page));
            }
        });
    });

    let names: BTreeSet<_> = samples().iter().map(|sample| sample.name).collect();
    let directory = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/golden/pages");
    for entry in directory.read_dir().expect("the golden files are there") {
        let path = entry.expect("the directory can be read").path();
        let name = path.file_stem().and_then(|name| name.to_str());
        let is_known = name.is_some_and(|name| names.contains(name));
        assert!(is_known, "{} is of no sample", path.display());
    }
}

#[test]
fn every_template_has_a_sample() {
    let used: BTreeSet<_> = samples().iter().map(|page| page.template).collect();

    for name in jansky_web::render::template_names() {
        let is_part = ["base.html", "macros.html", "trace.html", "logo.svg.html"].contains(&&*name);
        assert!(is_part || used.contains(&*name), "`{name}` has no sample");
    }
}

#[test]
fn every_page_has_one_heading_a_language_a_title_and_the_landmarks() {
    each_page(|sample, html, page| {
        let name = sample.name;
        assert_eq!(page.all("h1").count(), 1, "`{name}` has exactly one h1");
        assert_eq!(page.all("main").count(), 1, "`{name}` has one main");
        assert_eq!(page.all("header").count(), 1, "`{name}` has one header");
        let (_, root) = page.all("html").next().expect("a page has an html element");
        assert_eq!(root.get("lang"), Some("en"), "`{name}` tells its language");
        let (_, title) = page.all("title").next().expect("a page has a title");
        assert!(
            title.text.starts_with(&format!("{} · ", sample.title)),
            "`{name}`: {title:?}"
        );
        assert!(
            page.by_id("main").is_some(),
            "`{name}`: the skip link leads somewhere"
        );
        assert!(html.contains("href=\"#main\""), "`{name}` has a skip link");
    });
}

#[test]
fn every_field_has_a_label_and_every_reference_leads_to_an_element() {
    each_page(|sample, _, page| {
        let name = sample.name;
        for tag in &page.0 {
            if tag.name == "select" || tag.name == "input" && tag.get("type") != Some("hidden") {
                let id = tag
                    .get("id")
                    .unwrap_or_else(|| panic!("`{name}`: {tag:?} has no id"));
                let labelled = page
                    .all("label")
                    .any(|(_, label)| label.get("for") == Some(id));
                assert!(labelled, "`{name}`: {tag:?} has no label");
            }
            if tag.get("aria-invalid").is_some() {
                assert!(
                    tag.get("aria-describedby").is_some(),
                    "`{name}`: {tag:?} says not why"
                );
            }
            for attribute in ["aria-describedby", "aria-labelledby", "for", "data-copy"] {
                for id in tag.get(attribute).unwrap_or_default().split_whitespace() {
                    assert!(
                        page.by_id(id).is_some(),
                        "`{name}`: nothing has the id `{id}`"
                    );
                }
            }
        }
    });
}

#[test]
fn no_page_has_a_script_or_a_style_of_its_own() {
    each_page(|sample, _, page| {
        let name = sample.name;
        assert_eq!(page.all("style").count(), 0, "`{name}` has an inline style");
        assert_eq!(page.all("img").count(), 0, "`{name}` has a picture");
        for (_, script) in page.all("script") {
            assert!(script.get("src").is_some(), "`{name}` has an inline script");
            assert_eq!(script.text, "", "`{name}` has an inline script");
        }
        for tag in &page.0 {
            for attribute in tag.attributes.keys() {
                assert!(
                    attribute != "style" && !attribute.starts_with("on"),
                    "`{name}`: {tag:?} has `{attribute}`"
                );
            }
        }
    });
}

#[test]
fn every_form_posts_and_carries_the_token() {
    each_page(|sample, _, page| {
        for (index, form) in page.all("form") {
            let name = sample.name;
            // A search changes nothing, and its address should be usable.
            if form.get("role") == Some("search") {
                assert_eq!(form.get("method"), Some("get"), "`{name}`: {form:?}");
                continue;
            }
            assert_eq!(form.get("method"), Some("post"), "`{name}`: {form:?}");
            let token = page.all("input").find(|(input, tag)| {
                page.is_inside(*input, index) && tag.get("name") == Some("_xsrf")
            });
            let (_, token) = token.unwrap_or_else(|| panic!("`{name}`: {form:?} has no token"));
            assert_eq!(token.get("value"), Some("sample-xsrf"), "`{name}`");
            let buttons = page
                .all("button")
                .filter(|(button, _)| page.is_inside(*button, index));
            assert_eq!(buttons.count(), 1, "`{name}`: {form:?} has one button");
        }
    });
}

#[test]
fn every_link_and_action_stays_on_this_site() {
    each_page(|sample, _, page| {
        for tag in &page.0 {
            for attribute in ["href", "src", "action", "data-events-url", "data-ready-url"] {
                let Some(url) = tag.get(attribute) else {
                    continue;
                };
                assert!(
                    ["/hub/", "/user/", "#main"]
                        .iter()
                        .any(|prefix| url.starts_with(prefix)),
                    "`{}`: {tag:?}",
                    sample.name
                );
            }
        }
    });
}

#[test]
fn every_static_file_that_a_page_asks_for_exists_in_this_version() {
    each_page(|sample, _, page| {
        let urls = page
            .0
            .iter()
            .flat_map(|tag| [tag.get("href"), tag.get("src")])
            .flatten();
        let mut count = 0;
        for url in urls.filter_map(|url| url.strip_prefix("/hub/static/")) {
            let (file, version) = url.split_once("?v=").expect("a static file has a version");
            assert!(
                static_files::serve(file).is_some(),
                "`{}`: no `{file}`",
                sample.name
            );
            assert_eq!(version, static_files::version(), "`{}`", sample.name);
            count += 1;
        }
        assert!(
            count >= 3,
            "`{}` has a stylesheet, an icon and a script",
            sample.name
        );
    });
}

#[test]
fn links_of_the_frame_follow_the_base() {
    let renderer = Renderer::new(None).expect("our own templates have no mistakes");
    let mut frame = sample_frame("Sign out", true);
    frame.base = "/institute/hub/".into();
    let page = SignOutPage {
        servers_note: None,
        action: "/institute/hub/logout".into(),
        can_keep_working: false,
    };

    let html = renderer.render(&frame, &page).expect("the page renders");

    for tag in Document::parse(&html).0 {
        for url in [tag.get("href"), tag.get("src"), tag.get("action")]
            .into_iter()
            .flatten()
        {
            assert!(
                url.starts_with("/institute/hub/") || url == "#main",
                "{tag:?}"
            );
        }
    }
}

#[test]
fn hostile_names_stay_text() {
    let mut count = 0;
    let renderer = Renderer::new(None).expect("our own templates have no mistakes");
    for sample in samples()
        .iter()
        .filter(|sample| sample.name.ends_with("hostile"))
    {
        let html = sample.render(&renderer).expect("the page renders");
        // The reader panics on a broken attribute; here nothing may have become an element.
        let page = Document::parse(&html);
        assert_eq!(page.all("img").count(), 0, "`{}`", sample.name);
        assert!(!html.contains("<script>"), "`{}`", sample.name);
        assert!(
            !html.contains("49}"),
            "`{}`: a value was taken as a template",
            sample.name
        );
        assert!(html.contains("{{ 7 * 7 }}"), "`{}`", sample.name);
        count += 1;
    }
    assert!(count >= 10, "only {count} hostile samples");
}

#[test]
fn a_page_in_progress_works_without_script() {
    each_page(|sample, _, page| {
        if !matches!(sample.name, "pending" | "stopping") {
            return;
        }
        let (index, _) = page
            .all("meta")
            .find(|(_, meta)| meta.get("http-equiv") == Some("refresh"))
            .expect("the page reloads itself");
        let parent = page.0[index].parent.expect("a meta element is in the head");
        assert_eq!(page.0[parent].name, "noscript");
    });
}

#[test]
fn an_operator_replaces_one_template_and_keeps_the_others() {
    let directory = tempfile::tempdir().expect("a temporary directory can be made");
    std::fs::write(
        directory.path().join("sign_out.html"),
        "{% extends \"base.html\" %}{% block main %}<h1>Leaving {{ frame.site_name }}?</h1>{% endblock %}",
    )
    .expect("the template can be written");

    let renderer = Renderer::new(Some(directory.path().into())).expect("the templates load");

    let page = SignOutPage {
        servers_note: None,
        action: "/hub/logout".into(),
        can_keep_working: false,
    };
    let html = renderer
        .render(&sample_frame("Sign out", true), &page)
        .expect("it renders");
    assert!(html.contains("<h1>Leaving Jansky?</h1>"), "{html}");
    assert!(
        html.contains("static/style.css"),
        "the frame is still ours: {html}"
    );
}

#[test]
fn a_mistake_in_an_operators_template_shows_at_start_or_as_an_error() {
    let directory = tempfile::tempdir().expect("a temporary directory can be made");
    let write = |text| {
        std::fs::write(directory.path().join("sign_out.html"), text).expect("it can be written");
        Renderer::new(Some(directory.path().into()))
    };

    let broken = write("{% if %}").expect_err("a syntax error shows at start");
    let undefined = write("{{ page.no_such_value }}").expect("it can be parsed");

    assert!(broken.to_string().contains("`sign_out.html`"), "{broken}");
    let page = SignOutPage {
        servers_note: None,
        action: "/hub/logout".into(),
        can_keep_working: false,
    };
    let answer = undefined.render(&sample_frame("Sign out", true), &page);
    assert!(
        matches!(answer, Err(RenderError::Template { .. })),
        "{answer:?}"
    );
}

#[test]
fn a_template_directory_that_is_not_there_is_named() {
    let missing = std::path::PathBuf::from("no/such/directory");

    let error = Renderer::new(Some(missing)).expect_err("there is no such directory");

    assert!(error.to_string().contains("`no/such/directory`"), "{error}");
}

#[test]
fn times_are_written_for_people_and_for_scripts() {
    each_page(|sample, html, page| {
        if sample.name != "home-stopped" {
            return;
        }
        assert!(html.contains("26 July 2026, 11:02 UTC"), "{html}");
        let (_, time) = page.all("time").next().expect("the page has a time");
        assert_eq!(time.get("datetime"), Some("2026-07-26T11:02:37Z"));
    });
}
