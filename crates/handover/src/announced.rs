//! How a server's address is found out that only its machine can choose, as with batch jobs.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Where the server is to listen, and where its agent says so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listen {
    /// The address of the server, with `{port}`.
    pub url: String,
    /// The file in which the agent writes [`Announced`] when the server listens.
    pub announce: PathBuf,
}

/// What the agent writes down when its server listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Announced {
    /// The port of the server.
    pub port: u16,
}

impl Listen {
    /// A port of every interface. The server answers below `prefix`, a path with a slash at both ends.
    pub fn on_every_interface(prefix: &str, announce: impl Into<PathBuf>) -> Self {
        Self {
            url: format!("http://0.0.0.0:{{port}}{prefix}"),
            announce: announce.into(),
        }
    }

    /// The address with a port that was chosen.
    pub fn url_at(&self, port: u16) -> String {
        self.url.replace("{port}", &port.to_string())
    }
}

impl Announced {
    /// The file.
    pub fn write(self) -> String {
        format!("{{\"port\":{}}}\n", self.port)
    }

    /// Reads the file; `None` for anything else.
    pub fn read(text: &str) -> Option<Self> {
        serde_json::from_str(text.trim()).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_that_was_announced_is_read_and_part_of_one_is_not() {
        let written = Announced { port: 40_123 }.write();

        assert_eq!(Announced::read(&written), Some(Announced { port: 40_123 }));
        for part in ["", "{\"port\":401", "40123", "{\"port\":123456}"] {
            assert_eq!(Announced::read(part), None, "{part}");
        }
    }

    #[test]
    fn the_port_takes_its_place_in_the_address() {
        let listen = Listen::on_every_interface("/user/river/", "/a");

        assert_eq!(listen.url_at(81), "http://0.0.0.0:81/user/river/");
    }
}
