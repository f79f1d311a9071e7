//! What the spawner tells the agent, as one JSON document on standard input.

use std::collections::BTreeMap;
use std::io::{self, BufReader, Read};
use std::path::PathBuf;

use jansky_model::Secret;
use rustix::event::{PollFd, PollFlags, Timespec};
use serde::Deserialize;

use crate::listening::Listen;

/// More than any environment needs; the kernel allows 2 MiB for a new process.
const LONGEST: u64 = 4 << 20;

/// How long nothing may come. Where somebody starts a container again by hand, nothing ever does.
const PATIENCE: Timespec = Timespec {
    tv_sec: 60,
    tv_nsec: 0,
};

/// Everything that an agent has to know. It is on no command line, in no variable and in no file.
#[derive(Deserialize)]
pub(crate) struct Document {
    /// Good for one enrolment, within a minute. An entry point without one only starts its command.
    pub(crate) ticket: Option<Secret>,
    /// Where the hub's broker is, with a slash at the end.
    pub(crate) broker_url: Option<String>,
    /// Where to listen.
    pub(crate) socket: PathBuf,
    /// Where token files may be written; none are without it.
    pub(crate) token_dir: Option<PathBuf>,
    /// Who may ask beside the agent's own account.
    pub(crate) uid: Option<u32>,
    /// The process with which to end, when there is no command.
    pub(crate) parent: Option<u32>,
    /// What to start and to end with, where the agent is the entry point of a container.
    pub(crate) command: Option<Vec<String>>,
    /// All of the environment of `command`.
    #[serde(default)]
    pub(crate) environment: BTreeMap<String, Secret>,
    /// Whether `command` also gets what the agent found in its own environment, which is what the
    /// image of a container sets.
    #[serde(default)]
    pub(crate) inherit_environment: bool,
    /// Where `command` is to listen, where nobody but the agent can find that out.
    pub(crate) listen: Option<Listen>,
}

/// What is needed to begin serving.
pub(crate) struct HandOver {
    pub(crate) ticket: Secret,
    pub(crate) socket: PathBuf,
    pub(crate) uid: Option<u32>,
}

/// Standard input, given up when nothing comes for too long.
struct Input;

impl Read for Input {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let input = rustix::stdio::stdin();
        let mut waiting = [PollFd::new(&input, PollFlags::IN)];
        if rustix::event::poll(&mut waiting, Some(&PATIENCE))? == 0 {
            return Err(io::ErrorKind::TimedOut.into());
        }
        Ok(rustix::io::read(input, buffer)?)
    }
}

impl Document {
    /// Reads a document from standard input.
    ///
    /// # Errors
    /// As [`Document::read`].
    pub(crate) fn from_standard_input() -> Result<Self, String> {
        Self::read(BufReader::new(Input))
    }

    /// Reads a document up to its last brace: the writer may keep the stream open.
    ///
    /// # Errors
    /// In words for the log, without anything of the document.
    pub(crate) fn read(input: impl Read) -> Result<Self, String> {
        let mut documents =
            serde_json::Deserializer::from_reader(input.take(LONGEST)).into_iter::<Self>();
        match documents.next() {
            Some(Ok(document)) => Ok(document),
            // What serde says may quote a value.
            Some(Err(error)) => Err(format!(
                "the document on standard input cannot be read (line {}, column {})",
                error.line(),
                error.column()
            )),
            None => {
                Err("there is no document on standard input; a spawner starts the agent".into())
            }
        }
    }

    /// Copies what serving needs; `None` without a ticket.
    pub(crate) fn hand_over(&self) -> Option<HandOver> {
        Some(HandOver {
            ticket: self.ticket.clone()?,
            socket: self.socket.clone(),
            uid: self.uid,
        })
    }

    /// Removes the places in which the agent answered, where nobody else will: on a machine that other
    /// servers use as well. What is not empty is not ours and stays.
    pub(crate) fn remove_places(&self) {
        let _ = std::fs::remove_file(&self.socket);
        for place in [self.socket.parent(), self.token_dir.as_deref()] {
            let _ = place.map(std::fs::remove_dir);
        }
    }

    /// The environment of the command.
    pub(crate) fn whole_environment(&self) -> BTreeMap<String, Secret> {
        let own = self.inherit_environment.then(std::env::vars);
        let mut whole: BTreeMap<String, Secret> = own
            .into_iter()
            .flatten()
            .map(|(name, value)| (name, Secret::new(value)))
            .collect();
        whole.extend(self.environment.clone());
        whole
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORTEST: &str = r#"{"ticket":"t","broker_url":"http://h/","socket":"/s"}"#;

    #[test]
    fn what_follows_the_document_is_not_waited_for() {
        struct Open(&'static [u8]);
        impl Read for Open {
            fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
                assert!(!self.0.is_empty(), "read on after the document");
                let (first, rest) = self.0.split_at(1);
                buffer[0] = first[0];
                self.0 = rest;
                Ok(1)
            }
        }

        let document = Document::read(Open(SHORTEST.as_bytes())).expect("it is complete");

        assert_eq!(document.ticket, Some(Secret::new("t")));
        assert!(document.command.is_none() && document.environment.is_empty());
    }

    #[test]
    fn a_broken_document_is_not_repeated_in_the_message() {
        for bad in [
            r#"{"ticket": s3cret"#,
            r#"{"ticket":"s3cret","uid":"s3cret"}"#,
            "",
        ] {
            let problem = Document::read(bad.as_bytes()).err().expect("it is broken");

            assert!(!problem.contains("s3cret"), "{problem}");
        }
    }
}
