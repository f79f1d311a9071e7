//! The claims about every spawner, for processes and for the one in memory.

use std::time::Duration;

use jansky_spawn::Spawner;
use jansky_spawn::conformance::{Bench as Place, Life};
use jansky_spawn::fake::{FakeBehaviour, FakeSpawner, FakeStart};

use crate::bench::Bench;

const SERVER: &str = "
import http.server, os, urllib.parse
address = urllib.parse.urlparse(os.environ['JUPYTERHUB_SERVICE_URL'])
http.server.HTTPServer((address.hostname, address.port), http.server.BaseHTTPRequestHandler).serve_forever()
";

impl Place for Bench {
    fn spawner(&self) -> Box<dyn Spawner> {
        Box::new(Self::spawner(self))
    }

    fn count(&self) -> usize {
        self.pids().len()
    }

    fn moments(&self) -> Vec<Duration> {
        (0..12).map(Duration::from_millis).collect()
    }
}

/// A spawner in memory, of which all that ask have a clone.
struct Memory(FakeSpawner);

impl Place for Memory {
    fn spawner(&self) -> Box<dyn Spawner> {
        Box::new(self.0.clone())
    }

    fn count(&self) -> usize {
        self.0.running()
    }

    fn moments(&self) -> Vec<Duration> {
        vec![Duration::ZERO]
    }
}

mod processes {
    use super::{Bench, Life, SERVER};

    fn bench(life: Life) -> Bench {
        match life {
            Life::AddressOwner => Bench::python(SERVER),
            Life::Ends => Bench::shell("exit 0"),
        }
    }

    jansky_spawn::spawner_conformance!(bench);
}

mod fake {
    use super::{Duration, FakeBehaviour, FakeSpawner, FakeStart, Life, Memory};

    fn bench(life: Life) -> Memory {
        Memory(FakeSpawner::new(FakeBehaviour {
            start: match life {
                Life::AddressOwner => FakeStart::Works,
                Life::Ends => FakeStart::ExitsAfter(Duration::from_millis(50)),
            },
            ..FakeBehaviour::default()
        }))
    }

    jansky_spawn::spawner_conformance!(bench);
}
