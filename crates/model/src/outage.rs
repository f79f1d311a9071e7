//! Something that does not answer for a while: how often to try it, and when to log it.

use std::time::Duration;

/// The longest pause between two tries.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Whether something answers, so that a loop says once that it is away and once that it is back, and
/// asks less often meanwhile.
#[derive(Clone, Debug, Default)]
pub struct Outage {
    failures: u32,
}

impl Outage {
    /// Notes that it does not answer. True for the first time, which is the one to log.
    pub const fn begins(&mut self) -> bool {
        self.failures = self.failures.saturating_add(1);
        self.failures == 1
    }

    /// Notes that it answers. True if it did not before, which is worth to be said, too.
    pub const fn ends(&mut self) -> bool {
        let was_away = self.failures > 0;
        self.failures = 0;
        was_away
    }

    /// How long to wait before it is tried again: half a second, and twice as long with each failure
    /// in a row, up to half a minute.
    pub fn pause(&self) -> Duration {
        let doublings = self.failures.saturating_sub(1).min(10);
        Duration::from_millis(500 << doublings).min(LONGEST_PAUSE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outage_is_told_once_and_so_is_its_end() {
        let mut outage = Outage::default();

        let told = (0..100).filter(|_| outage.begins()).count();

        assert_eq!(told, 1);
        assert!(outage.ends());
        assert!(!outage.ends());
        assert!(outage.begins(), "the next one is another one");
    }

    #[test]
    fn something_that_stays_away_is_asked_less_and_less_often() {
        let mut outage = Outage::default();
        let mut waited = Duration::ZERO;
        let mut tries = 0;

        while waited < Duration::from_hours(1) {
            outage.begins();
            waited += outage.pause();
            tries += 1;
        }

        assert!((100..=130).contains(&tries), "{tries} in an hour");
        outage.ends();
        outage.begins();
        assert_eq!(outage.pause(), Duration::from_millis(500));
    }
}
