//! What a process finds around it when it starts.

use std::process::Command;

/// What a server finds when it starts, beyond its arguments.
#[derive(Debug, Clone, Default)]
pub struct Surroundings {
    /// Files that it may open.
    pub files_max: Option<u32>,
    /// The umask, as a shell takes it.
    pub umask: Option<&'static str>,
    /// A process whose user and mount namespaces it enters.
    pub inside: Option<u32>,
    /// Variables of its environment.
    pub variables: Vec<(&'static str, String)>,
}

impl Surroundings {
    /// A limit on open files, and nothing else out of the ordinary.
    pub fn of_files(files_max: u32) -> Surroundings {
        Surroundings {
            files_max: Some(files_max),
            ..Surroundings::default()
        }
    }

    /// A command that runs `path`, by way of a shell, which sets what only a process can set for
    /// itself.
    pub(super) fn command(&self, path: &str) -> Command {
        let files = self
            .files_max
            .map_or_else(String::new, |files| format!("ulimit -n {files} && "));
        let umask = self
            .umask
            .map_or_else(String::new, |umask| format!("umask {umask} && "));
        let shell = [
            "sh",
            "-c",
            &format!("{files}{umask}exec \"$0\" \"$@\""),
            path,
        ];
        let mut command = match self.inside {
            None => Command::new(shell[0]),
            Some(pid) => {
                let mut enter = Command::new("nsenter");
                enter.args(["--user", "--mount", "--preserve-credentials", "--target"]);
                enter.args([&pid.to_string(), shell[0]]);
                enter
            }
        };
        command.args(&shell[1..]);
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }
}
