//! The script of a job. It is kept by the scheduler, often for years, so it holds nothing secret: not
//! the server's command, not a variable, not a name of a person.

use std::time::Duration;

/// The file in the directory of a job that its agent begins with.
pub const DOCUMENT: &str = "document";

/// What a script is made of.
#[derive(Clone, Copy, Debug)]
pub struct Script<'a> {
    /// The directory of the job.
    pub directory: &'a str,
    /// Where the server works.
    pub home: &'a str,
    /// How long the job may run.
    pub time_limit: Option<Duration>,
    /// Further options of the scheduler, each as it stands after `#SBATCH`.
    pub options: &'a [String],
    /// Lines of the operator, such as `module load`.
    pub prologue: &'a str,
    /// The agent's program on the cluster.
    pub agent: &'a str,
}

impl Script<'_> {
    /// The script as text.
    pub fn text(&self) -> String {
        // What ends a job for good must not be begun again by the scheduler: the document is gone.
        let mut lines = vec![
            "#!/bin/bash -l".to_owned(),
            "#SBATCH --no-requeue".to_owned(),
        ];
        if let Some(limit) = self.time_limit {
            let seconds = limit.as_secs();
            let (hours, rest) = (seconds / 3600, seconds % 3600);
            let (minutes, seconds) = (rest / 60, rest % 60);
            lines.push(format!("#SBATCH --time={hours}:{minutes:02}:{seconds:02}"));
        }
        lines.extend(self.options.iter().map(|one| format!("#SBATCH {one}")));
        let document = quoted(&format!("{}/{DOCUMENT}", self.directory));
        lines.push("umask 077".to_owned());
        // Also when the lines of the operator fail.
        lines.push(format!("trap \"rm -f -- {document}\" EXIT"));
        lines.push(format!("cd -- {} || exit", quoted(self.home)));
        if !self.prologue.trim().is_empty() {
            lines.push(self.prologue.trim_end().to_owned());
        }
        // Open first, gone next, and only then read by anybody.
        lines.push(format!("exec < {document} || exit"));
        lines.push(format!("rm -f -- {document}"));
        lines.push(format!("exec {}", quoted(self.agent)));
        lines.join("\n") + "\n"
    }
}

/// A text as one word of a shell, also within double quotes of ours: what a shell could read as
/// something else was refused before.
fn quoted(text: &str) -> String {
    format!("'{text}'")
}

/// Whether a path can stand in a script and in a command line that quotes with `'`: it begins with `/`, is
/// without `..`, and has no character that a shell could read as something else.
pub fn is_plain(path: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-@+=,:~ ".contains(c);
    path.starts_with('/') && path.chars().all(plain) && !path.split('/').any(|part| part == "..")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn script() -> Script<'static> {
        Script {
            directory: "/home/river/.jansky/x",
            home: "/home/river",
            time_limit: Some(Duration::from_secs(90 * 60 + 5)),
            options: &[],
            prologue: "",
            agent: "/opt/jansky/jansky-agent",
        }
    }

    #[test]
    fn a_script_starts_the_agent_and_nothing_else() {
        let text = script().text();

        assert_eq!(
            text,
            "#!/bin/bash -l\n\
             #SBATCH --no-requeue\n\
             #SBATCH --time=1:30:05\n\
             umask 077\n\
             trap \"rm -f -- '/home/river/.jansky/x/document'\" EXIT\n\
             cd -- '/home/river' || exit\n\
             exec < '/home/river/.jansky/x/document' || exit\n\
             rm -f -- '/home/river/.jansky/x/document'\n\
             exec '/opt/jansky/jansky-agent'\n"
        );
    }

    #[test]
    fn what_the_operator_adds_stands_where_it_belongs() {
        let options = ["--gpus=1".to_owned()];
        let text = Script {
            options: &options,
            prologue: "module load jupyter\n",
            ..script()
        }
        .text();

        let at = |part: &str| text.find(part).unwrap_or_else(|| panic!("{part}: {text}"));
        assert!(at("#SBATCH --gpus=1") < at("umask"));
        assert!(at("cd --") < at("module load jupyter"));
        assert!(at("module load jupyter") < at("exec <"));
    }

    #[test]
    fn a_path_that_a_shell_could_take_apart_is_not_plain() {
        assert!(is_plain("/home/river.song@x"));
        for path in [
            "home", "/a'b", "/a\"b", "/a$b", "/a\nb", "/a/../b", "/a`b", "/ü",
        ] {
            assert!(!is_plain(path), "{path}");
        }
    }
}
