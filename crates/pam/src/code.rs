//! What the numbers of PAM mean for a sign-in.

use std::ffi::c_int;

use crate::Outcome;

pub(crate) const SUCCESS: c_int = 0;
pub(crate) const BUFFER_ERROR: c_int = 5;
const PERMISSION_DENIED: c_int = 6;
const AUTHENTICATION_ERROR: c_int = 7;
const USER_UNKNOWN: c_int = 10;
const MAXIMUM_TRIES: c_int = 11;
const NEW_PASSWORD_REQUIRED: c_int = 12;
const ACCOUNT_EXPIRED: c_int = 13;
pub(crate) const CONVERSATION_ERROR: c_int = 19;
const PASSWORD_EXPIRED: c_int = 27;

/// The questions to PAM.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Is the password right?
    Authenticate,
    /// May the account be used now?
    Account,
    /// May the account still be used, by somebody who signed in some time ago?
    Again,
}

impl Step {
    /// What an answer ends the check with; `None` when it goes on.
    pub(crate) fn outcome(self, code: c_int, meaning: &str) -> Option<Outcome> {
        let trouble = || Outcome::Trouble(format!("PAM answered {code} ({meaning}) to {self:?}"));
        Some(match (self, code) {
            (_, SUCCESS)
            // Somebody who is signed in already does not need the password now, so one that has expired
            // takes nothing from them.
            | (Self::Again, NEW_PASSWORD_REQUIRED | PASSWORD_EXPIRED) => return None,
            // Strangers must not learn whether an account exists or has expired, so until the password is
            // known to be right every refusal is the same.
            (
                Self::Authenticate,
                PERMISSION_DENIED | AUTHENTICATION_ERROR | USER_UNKNOWN | MAXIMUM_TRIES
                | ACCOUNT_EXPIRED,
            ) => Outcome::Wrong,
            // Any of these can mean that the account may not be used: Debian's stack ends with
            // `pam_deny`, which gives the same answer whatever the reason was.
            (
                Self::Account | Self::Again,
                PERMISSION_DENIED | AUTHENTICATION_ERROR | USER_UNKNOWN | ACCOUNT_EXPIRED,
            )
            | (Self::Account, NEW_PASSWORD_REQUIRED | PASSWORD_EXPIRED) => {
                Outcome::Unusable(meaning.to_owned())
            }
            _ => trouble(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_success_lets_a_check_go_on() {
        for step in [Step::Authenticate, Step::Account] {
            let going_on: Vec<_> = (-1..40)
                .filter(|code| step.outcome(*code, "").is_none())
                .collect();
            assert_eq!(going_on, [SUCCESS], "{step:?}");
        }
    }

    #[test]
    fn who_signed_in_some_time_ago_loses_what_they_have_only_with_the_account() {
        let again = |code| Step::Again.outcome(code, "so");

        for code in [SUCCESS, NEW_PASSWORD_REQUIRED, PASSWORD_EXPIRED] {
            assert_eq!(again(code), None, "{code}");
        }
        for code in [PERMISSION_DENIED, USER_UNKNOWN, ACCOUNT_EXPIRED] {
            assert_eq!(
                again(code),
                Some(Outcome::Unusable("so".to_owned())),
                "{code}"
            );
        }
        assert!(matches!(again(9), Some(Outcome::Trouble(_))));
    }

    #[test]
    fn what_an_account_may_not_is_told_only_after_the_password() {
        let expired = |step: Step| step.outcome(ACCOUNT_EXPIRED, "expired");

        assert_eq!(expired(Step::Authenticate), Some(Outcome::Wrong));
        assert_eq!(
            expired(Step::Account),
            Some(Outcome::Unusable("expired".to_owned()))
        );
        assert!(matches!(
            Step::Authenticate.outcome(9, "unavailable"),
            Some(Outcome::Trouble(_))
        ));
    }
}
