//! The claims about every spawner, for jobs.

use std::time::Duration;

use jansky_spawn::Spawner;
use jansky_spawn::conformance::{Bench as Place, Life};

use crate::rig::Rig;

/// A cluster whose servers do one thing.
struct Bench {
    rig: Rig,
    life: Life,
}

impl Place for Bench {
    fn spawner(&self) -> Box<dyn Spawner> {
        Box::new(self.rig.spawner_with(|settings| {
            // Longer than a slow machine takes to submit a job, and short enough to be waited for.
            settings.claim_patience = Duration::from_secs(4);
            if self.life == Life::Ends {
                let seconds = ("LIFE_SECONDS".to_owned(), "2".to_owned());
                settings.environment.extend([seconds]);
            }
        }))
    }

    fn count(&self) -> usize {
        let jobs = self.rig.firecrest.jobs();
        jobs.iter().filter(|job| job.is_live()).count()
    }

    fn moments(&self) -> Vec<Duration> {
        [0, 5, 10, 20, 40, 80, 200]
            .map(Duration::from_millis)
            .to_vec()
    }

    /// Only the job itself knows its port.
    fn tells_addresses(&self) -> bool {
        false
    }
}

fn bench(life: Life) -> Bench {
    let rig = Rig::new();
    Bench { rig, life }
}

jansky_spawn::spawner_conformance!(bench);
