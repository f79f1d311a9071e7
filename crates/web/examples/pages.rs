//! Writes every sample page with the static files into a folder, to look at them in a browser.
//!
//! `cargo run -p jansky-web --example pages -- FOLDER`

use std::path::PathBuf;

use jansky_web::render::Renderer;
use jansky_web::{static_files, views};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = PathBuf::from(std::env::args().nth(1).ok_or("name a folder to write to")?);
    let files = folder.join("hub/static");
    std::fs::create_dir_all(&files)?;
    for name in static_files::names() {
        let file = static_files::serve(&name).ok_or("a listed file exists")?;
        std::fs::write(files.join(&name), file.bytes)?;
    }
    let renderer = Renderer::new(None)?;
    for sample in views::samples() {
        std::fs::write(
            folder.join(format!("{}.html", sample.name)),
            sample.render(&renderer)?,
        )?;
    }
    Ok(())
}
