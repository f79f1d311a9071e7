//! Stands in for FirecREST v2 in front of Slurm: the real one is in no registry. It answers in the
//! shapes of the real one, does what it is told, and remembers who called what with which token.
//!
//! Its cluster is this machine: homes are directories, and jobs are processes that it really starts
//! from their scripts. It listens on the loopback interface.

mod files;
mod http;
mod jobs;
mod script;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::provider::Access;
pub use jobs::Job;
pub use script::{Fault, FirecrestCall, FirecrestScript};

/// The name of the cluster.
pub const SYSTEM: &str = "lab";

/// Whose a token is.
type Judge = Arc<dyn Fn(&str) -> Option<Access> + Send + Sync>;

/// A running FirecREST. It ends when it is dropped, and its jobs with it.
pub struct ScriptedFirecrest {
    /// Where it answers.
    pub url: String,
    address: SocketAddr,
    cluster: Cluster,
    task: Mutex<Option<JoinHandle<()>>>,
}

/// What all connections share.
#[derive(Clone)]
struct Cluster {
    root: PathBuf,
    judge: Judge,
    script: Arc<Mutex<FirecrestScript>>,
}

impl Cluster {
    fn script(&self) -> MutexGuard<'_, FirecrestScript> {
        self.script.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The home directory of an account.
    fn home(&self, account: &str) -> PathBuf {
        self.root.join("home").join(account)
    }
}

fn listen() -> std::io::Result<TcpListener> {
    let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    listener.set_nonblocking(true)?;
    TcpListener::from_std(listener)
}

impl ScriptedFirecrest {
    /// Starts one on a free port, with a cluster in a directory. `judge` says whose a token is. Only
    /// within a runtime.
    pub fn start(
        root: &Path,
        judge: impl Fn(&str) -> Option<Access> + Send + Sync + 'static,
    ) -> Self {
        let listener = listen().expect("a free port");
        let address = listener.local_addr().expect("it listens");
        let cluster = Cluster {
            root: root.to_owned(),
            judge: Arc::new(judge),
            script: Arc::new(Mutex::new(FirecrestScript::new())),
        };
        std::fs::create_dir_all(root.join("spool")).expect("the directory is ours");
        let task = tokio::spawn(http::serve(listener, cluster.clone()));
        Self {
            url: format!("http://{address}"),
            address,
            cluster,
            task: Mutex::new(Some(task)),
        }
    }

    /// Gives a person an account on the cluster, with a home directory.
    pub fn add_account(&self, subject: &str, account: &str) {
        std::fs::create_dir_all(self.cluster.home(account)).expect("the directory is ours");
        let accounts = &mut self.script().accounts;
        accounts.insert(subject.to_owned(), account.to_owned());
    }

    /// What homes are called, for the configuration of a spawner.
    pub fn home_template(&self) -> String {
        self.cluster.home("{username}").display().to_string()
    }

    /// The home directory of an account.
    pub fn home(&self, account: &str) -> PathBuf {
        self.cluster.home(account)
    }

    /// The knobs; not to be held across an await.
    pub fn script(&self) -> MutexGuard<'_, FirecrestScript> {
        self.cluster.script()
    }

    /// The calls of a kind, in order: `submit`, `job`, `jobs`, `cancel`, `upload`, and so on.
    pub fn calls(&self, kind: &str) -> Vec<FirecrestCall> {
        let script = self.script();
        let calls = script.calls.iter().filter(|call| call.kind == kind);
        calls.cloned().collect()
    }

    /// Every job that was ever submitted, in order.
    pub fn jobs(&self) -> Vec<Job> {
        self.script().jobs.clone()
    }

    /// Lets jobs that wait run.
    pub fn release_queue(&self) {
        self.script().holds_queue = false;
        jobs::run_waiting(&self.cluster);
    }

    /// Ends a job as if its node had died.
    pub fn lose(&self, id: &str) {
        jobs::lose(&self.cluster, id);
    }

    /// Stops listening and cuts every connection. Jobs go on.
    pub async fn close(&self) {
        let task = self.task().take();
        if let Some(task) = task {
            task.abort();
            let _ = task.await;
        }
    }

    /// Listens again at the same address, with everything as it was.
    pub async fn open(&self) {
        let listener = TcpListener::bind(self.address)
            .await
            .expect("the address is still free");
        let task = tokio::spawn(http::serve(listener, self.cluster.clone()));
        *self.task() = Some(task);
    }

    fn task(&self) -> MutexGuard<'_, Option<JoinHandle<()>>> {
        self.task.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for ScriptedFirecrest {
    fn drop(&mut self) {
        if let Some(task) = self.task().take() {
            task.abort();
        }
        jobs::end_all(&self.cluster);
    }
}
