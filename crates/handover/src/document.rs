//! The one document that an agent begins with.

use std::io::Read;
use std::path::PathBuf;

use jansky_model::Secret;
use serde::ser::SerializeStruct;
use serde::{Deserialize, Serialize, Serializer};

use crate::{AgentTicket, Environment, Listen, Unfit, variables};

/// The most bytes of a document. The kernel allows 2 MiB of command and environment for a new process;
/// JSON may double that.
pub const LARGEST_DOCUMENT: usize = 4 << 20;

/// The name of the file that `BEARER_TOKEN_FILE` names, in the directory of token files.
pub const TOKEN_FILE: &str = "bearer_token";

/// Everything that an agent has to know, as one JSON object. It is on no command line and in no
/// variable; in a file only where there is no other way.
///
/// It has no `Serialize`, since nobody but [`StartDocument::write`] shows what is secret in it. Keys that
/// the reader does not know are passed over, so that the agent in an image may be older than the hub.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct StartDocument {
    /// Good for one enrolment, within a minute. An entry point without one only starts its command.
    pub ticket: Option<Secret>,
    /// Where the hub's broker is, with a slash at the end.
    pub broker_url: Option<String>,
    /// Where the agent listens.
    pub socket: PathBuf,
    /// Where token files may be written; none are without it.
    pub token_dir: Option<PathBuf>,
    /// Who may ask beside the agent's own account.
    pub uid: Option<u32>,
    /// The process with which to end, when there is no command.
    pub parent: Option<u32>,
    /// What to start and to end with, where the agent is the first process of a container or job.
    pub command: Option<Vec<String>>,
    /// All of the environment of `command`.
    #[serde(default)]
    pub environment: Environment,
    /// Whether `command` also gets what the agent found in its own environment, which is what the
    /// image of a container or the node of a job sets.
    #[serde(default)]
    pub inherit_environment: bool,
    /// Where `command` is to listen, where nobody but the agent can find that out.
    pub listen: Option<Listen>,
}

/// Why there is no document. It repeats nothing of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// The stream ended, or could not be read, before there was one.
    #[error("there is no document on standard input; a spawner starts the agent")]
    Missing,
    /// It is none.
    #[error("the document on standard input cannot be read (line {line}, column {column})")]
    Unreadable {
        /// The line at which that was clear.
        line: usize,
        /// And the column.
        column: usize,
    },
}

impl StartDocument {
    /// The document of an agent with this ticket, or of one that only starts a command. Token files
    /// may lie in `token_dir`, which has to be in memory; they do if the ticket says so.
    pub fn new(
        ticket: Option<&AgentTicket>,
        socket: impl Into<PathBuf>,
        token_dir: Option<PathBuf>,
    ) -> Self {
        Self {
            ticket: ticket.map(|agent| agent.ticket.clone()),
            broker_url: ticket.map(|agent| agent.broker_url.clone()),
            socket: socket.into(),
            token_dir: token_dir.filter(|_| ticket.is_some_and(|agent| agent.token_file)),
            ..Self::default()
        }
    }

    /// The variables by which a server finds the agent of this document.
    pub fn variables(&self) -> impl Iterator<Item = (&'static str, String)> {
        let has_ticket = self.ticket.is_some();
        let socket = has_ticket.then_some((variables::AGENT_SOCKET, self.socket.clone()));
        let directory = self.token_dir.as_ref();
        let file = directory.map(|at| (variables::BEARER_TOKEN_FILE, at.join(TOKEN_FILE)));
        let found = socket.into_iter().chain(file);
        found.map(|(name, path)| (name, path.to_string_lossy().into_owned()))
    }

    /// Lets the agent start the server, with these variables, those of the agent, and what it finds in
    /// its own environment.
    pub fn start(&mut self, command: &[String], environment: Environment) {
        self.command = Some(command.to_vec());
        self.environment = environment;
        let own: Vec<_> = self.variables().collect();
        self.environment.extend(own);
        self.inherit_environment = true;
    }

    /// The document as text, which is as secret as what is in it.
    ///
    /// # Errors
    /// When a process could not have this environment, or the agent would not read all of it.
    pub fn write(&self) -> Result<Secret, Unfit> {
        self.environment.check()?;
        let text = serde_json::to_string(&Exposed(self)).map_err(|_| Unfit::Path)?;
        let (bytes, most) = (text.len(), LARGEST_DOCUMENT);
        let text = Secret::new(text);
        if bytes > most {
            return Err(Unfit::TooLarge { bytes, most });
        }
        Ok(text)
    }

    /// Reads a document up to its last brace: the writer may keep the stream open.
    ///
    /// # Errors
    /// When there is none, or more than [`LARGEST_DOCUMENT`].
    pub fn read(input: impl Read) -> Result<Self, ReadError> {
        let input = input.take(LARGEST_DOCUMENT as u64);
        let mut documents = serde_json::Deserializer::from_reader(input).into_iter();
        match documents.next() {
            Some(Ok(document)) => Ok(document),
            // What serde says may quote a value.
            Some(Err(error)) => Err(ReadError::Unreadable {
                line: error.line(),
                column: error.column(),
            }),
            None => Err(ReadError::Missing),
        }
    }
}

/// A document on its way to the agent: the one place where what is secret in it is shown.
struct Exposed<'a>(&'a StartDocument);

impl Serialize for Exposed<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // Without `..`, so that a new field cannot be left out.
        let StartDocument {
            ticket,
            broker_url,
            socket,
            token_dir,
            uid,
            parent,
            command,
            environment,
            inherit_environment,
            listen,
        } = self.0;
        let mut document = serializer.serialize_struct("StartDocument", 10)?;
        document.serialize_field("ticket", &ticket.as_ref().map(Secret::expose))?;
        document.serialize_field("broker_url", broker_url)?;
        document.serialize_field("socket", socket)?;
        document.serialize_field("token_dir", token_dir)?;
        document.serialize_field("uid", uid)?;
        document.serialize_field("parent", parent)?;
        document.serialize_field("command", command)?;
        document.serialize_field("environment", &ExposedVariables(environment))?;
        document.serialize_field("inherit_environment", inherit_environment)?;
        document.serialize_field("listen", listen)?;
        document.end()
    }
}

struct ExposedVariables<'a>(&'a Environment);

impl Serialize for ExposedVariables<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let variables = self.0.iter();
        serializer.collect_map(variables.map(|(name, value)| (name, value.expose())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORTEST: &str = r#"{"ticket":"t","broker_url":"http://h/","socket":"/s"}"#;

    fn ticket(token_file: bool) -> AgentTicket {
        AgentTicket {
            ticket: Secret::new("s3cret"),
            broker_url: "http://h/".to_owned(),
            token_file,
        }
    }

    #[test]
    fn an_agent_reads_what_a_spawner_wrote() {
        let mut environment = Environment::default();
        environment.set("A", Secret::new("b \"\n"));
        let mut document = StartDocument::new(Some(&ticket(true)), "/s", Some("/t".into()));
        document.start(&["sh".to_owned()], environment);
        document.uid = Some(3);
        document.parent = Some(4);
        document.listen = Some(Listen::on_every_interface("/x/", "/announce"));

        let written = document.write().expect("it can be written");

        let read = StartDocument::read(written.expose().as_bytes());
        assert_eq!(read.expect("it can be read"), document);
    }

    #[test]
    fn a_server_is_told_of_its_agent_and_of_a_token_file_only_where_there_are_such() {
        let names = |document: &StartDocument| {
            let names = document.variables().map(|(name, _)| name);
            names.collect::<Vec<_>>()
        };
        let place = || Some("/run/x".into());

        let both = StartDocument::new(Some(&ticket(true)), "/s", place());
        assert_eq!(
            both.variables().last(),
            Some(("BEARER_TOKEN_FILE", "/run/x/bearer_token".to_owned()))
        );
        let socket = ["JANSKY_AGENT_SOCKET"];
        let unwanted = StartDocument::new(Some(&ticket(false)), "/s", place());
        assert_eq!(names(&unwanted), socket);
        assert_eq!(unwanted.token_dir, None);
        assert_eq!(
            names(&StartDocument::new(Some(&ticket(true)), "/s", None)),
            socket
        );
        assert!(names(&StartDocument::new(None, "/s", place())).is_empty());
    }

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

        let document = StartDocument::read(Open(SHORTEST.as_bytes())).expect("it is complete");

        assert_eq!(document.ticket, Some(Secret::new("t")));
        assert!(document.command.is_none() && document.environment == Environment::default());
    }

    #[test]
    fn a_broken_document_is_not_repeated_in_the_message() {
        for bad in [
            r#"{"ticket": s3cret"#,
            r#"{"ticket":"s3cret","uid":"s3cret"}"#,
            "",
        ] {
            let problem = StartDocument::read(bad.as_bytes()).expect_err("it is broken");

            assert!(!problem.to_string().contains("s3cret"), "{problem}");
        }
    }

    #[test]
    fn an_older_agent_passes_over_what_it_does_not_know() {
        let newer = SHORTEST.replace('}', r#","from_a_newer_hub":[1,{"a":2}]}"#);

        let document = StartDocument::read(newer.as_bytes()).expect("it is complete");

        assert_eq!(document.socket, PathBuf::from("/s"));
    }

    #[test]
    fn what_an_agent_would_not_read_to_its_end_is_not_written() {
        let mut document = StartDocument::new(Some(&ticket(false)), "/s", None);
        let large = |bytes: usize| Secret::new("x".repeat(bytes));
        document.environment.set("A", large(LARGEST_DOCUMENT - 400));
        let written = document.write().expect("it is small enough");
        assert!(StartDocument::read(written.expose().as_bytes()).is_ok());

        document.environment.set("A", large(LARGEST_DOCUMENT));

        assert!(matches!(document.write(), Err(Unfit::TooLarge { .. })));
    }

    #[test]
    fn a_document_that_is_printed_shows_no_secret() {
        let mut document = StartDocument::new(Some(&ticket(false)), "/s", None);
        document.environment.set("A", Secret::new("s3cret"));

        assert!(!format!("{document:?}").contains("s3cret"));
    }
}
