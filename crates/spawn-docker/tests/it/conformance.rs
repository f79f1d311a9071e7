//! The claims about every spawner, for containers of Docker.

use std::time::Duration;

use jansky_spawn::Spawner;
use jansky_spawn::conformance::{Bench as Place, Life};

use crate::bench::{Bench, SERVER};

impl Place for Bench {
    fn spawner(&self) -> Box<dyn Spawner> {
        Box::new(Self::spawner(self))
    }

    fn count(&self) -> usize {
        self.containers().len()
    }

    fn moments(&self) -> Vec<Duration> {
        [20, 200, 350, 500, 700].map(Duration::from_millis).to_vec()
    }
}

fn bench(life: Life) -> Bench {
    match life {
        Life::AddressOwner => Bench::python(SERVER),
        Life::Ends => Bench::python("import time; time.sleep(0.5)"),
    }
}

jansky_spawn::spawner_conformance!(bench);
