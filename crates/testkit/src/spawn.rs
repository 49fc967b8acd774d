//! Child processes that end together with the test process.

use std::io;
use std::process::{Child, Command};
use std::sync::OnceLock;
use std::sync::mpsc;

type Job = (Command, mpsc::Sender<io::Result<Child>>);

/// Starts a program that is killed when this process ends, however it ends.
///
/// The kernel ties that promise to the *thread* that started the child, and the threads of a test runner
/// come and go: one thread that never ends starts them all.
pub(crate) fn spawn_bound(
    program: &std::path::Path,
    configure: impl FnOnce(&mut Command),
) -> Child {
    static SPAWNER: OnceLock<mpsc::Sender<Job>> = OnceLock::new();
    let spawner = SPAWNER.get_or_init(|| {
        let (jobs, queue) = mpsc::channel::<Job>();
        std::thread::Builder::new()
            .name("spawner".into())
            .spawn(move || {
                for (mut command, reply) in queue {
                    let _ = reply.send(command.spawn());
                }
            })
            .expect("start the spawner thread");
        jobs
    });
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--"]).arg(program);
    configure(&mut command);
    let (reply, result) = mpsc::channel();
    spawner
        .send((command, reply))
        .expect("the spawner thread lives as long as the process");
    match result.recv().expect("the spawner thread answers every job") {
        Ok(child) => child,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            panic!("`setpriv` is missing: install the package util-linux")
        }
        Err(error) => panic!("cannot start {}: {error}", program.display()),
    }
}

/// Returns the last lines of a text file, for the message of a failed test.
pub(crate) fn tail(path: &std::path::Path, lines: usize) -> String {
    match std::fs::read(path) {
        Ok(content) => {
            let text = String::from_utf8_lossy(&content);
            let all: Vec<&str> = text.lines().collect();
            all[all.len().saturating_sub(lines)..].join("\n")
        }
        Err(error) => format!("(cannot read {}: {error})", path.display()),
    }
}
