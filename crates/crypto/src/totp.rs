//! Codes of an app on a person's phone: TOTP (RFC 6238) with SHA-1, six digits and steps of 30
//! seconds, which is what all apps know.

use jansky_model::{Secret, Timestamp};
use totp_rs::{Builder, Totp};
use url::Url;
use zeroize::Zeroizing;

use crate::Random;

/// The length of the secret in bytes: that of the hash, as RFC 4226 section 4 recommends.
const SECRET_LENGTH: usize = 20;

/// How long each code is shown.
const STEP_SECONDS: u64 = 30;

/// So many steps before and after the present one are taken, for clocks that are not quite right and
/// for people who type slowly (RFC 6238 section 5.2).
const TOLERANCE: u16 = 1;

/// How many digits a code has.
pub const DIGITS: usize = 6;

/// Makes a secret, in base32 as people type it into an app.
pub fn generate(random: &dyn Random) -> Secret {
    let mut bytes = Zeroizing::new([0; SECRET_LENGTH]);
    random.fill(bytes.as_mut_slice());
    Secret::new(totp_rs::Secret::from(*bytes).to_base32())
}

/// The time step whose code this is, if it is one of about now. Spaces in it do not matter.
///
/// A step must be taken once only, and none that is older than one that was taken; the caller sees
/// to that.
pub fn check(secret: &Secret, code: &str, now: Timestamp) -> Option<i64> {
    let code: String = code.chars().filter(|c| !c.is_whitespace()).collect();
    let step = totp(secret)?.check(&code, seconds(now))?;
    i64::try_from(step).ok()
}

/// The code at a time, as the app shows it.
pub fn code_at(secret: &Secret, at: Timestamp) -> Option<Secret> {
    let token = totp(secret)?.generate(seconds(at));
    Some(Secret::new(token.to_string()))
}

/// What the picture says that an app scans: the key URI format, which all apps read.
pub fn uri(secret: &Secret, site: &str, name: &str) -> Secret {
    // A colon would end the name of the site.
    let site = site.replace(':', " ");
    let mut uri = Url::parse("otpauth://totp/").expect("a constant URL");
    uri.set_path(&format!("/{site}:{name}"));
    let query = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("secret", secret.expose())
        .append_pair("issuer", &site)
        .append_pair("algorithm", "SHA1")
        .append_pair("digits", &DIGITS.to_string())
        .append_pair("period", &STEP_SECONDS.to_string())
        .finish();
    // Apps take a plus sign for itself.
    uri.set_query(Some(&query.replace('+', "%20")));
    Secret::new(uri.as_str())
}

fn totp(secret: &Secret) -> Option<Totp> {
    let secret = totp_rs::Secret::try_from_base32(secret.expose()).ok()?;
    Builder::new()
        .with_secret(secret)
        .with_skew(TOLERANCE)
        .with_step_duration(STEP_SECONDS)
        .build()
        .ok()
}

fn seconds(at: Timestamp) -> u64 {
    u64::try_from(at.seconds()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SystemRandom;

    /// The secret of the test values in RFC 6238, appendix B: `12345678901234567890`.
    fn known() -> Secret {
        Secret::new("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ")
    }

    #[test]
    fn codes_are_those_of_the_standard() {
        // The standard's have eight digits, of which ours are the last six.
        for (at, code) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
            (20_000_000_000, "353130"),
        ] {
            let at = Timestamp::from_seconds(at);

            let found = code_at(&known(), at).expect("a good secret");

            assert_eq!(found.expose(), code);
            assert_eq!(check(&known(), code, at), Some(at.seconds() / 30));
        }
    }

    #[test]
    fn a_code_is_good_one_step_before_and_after_and_says_which_it_is() {
        let at = |seconds: i64| Timestamp::from_seconds(1_234_567_890 + seconds);
        let step = at(0).seconds() / 30;

        for late in [-30, 0, 30, 59] {
            assert_eq!(check(&known(), "005924", at(late)), Some(step), "{late}");
        }
        assert_eq!(check(&known(), "005924", at(60)), None);
        assert_eq!(check(&known(), "005924", at(-31)), None);
        assert_eq!(check(&known(), " 005 924", at(0)), Some(step));
    }

    #[test]
    fn nonsense_is_no_code() {
        let at = Timestamp::from_seconds(59);

        for code in [
            "",
            "287083",
            "28708",
            "2870821",
            "+87082",
            "２８７０８２",
            "28708\0",
        ] {
            assert_eq!(check(&known(), code, at), None, "{code}");
        }
        for broken in ["", "not base32!", "GEZDG"] {
            assert_eq!(check(&Secret::new(broken), "287082", at), None, "{broken}");
        }
    }

    #[test]
    fn each_secret_is_another_one_and_as_long_as_the_hash() {
        let secret = generate(&SystemRandom);

        assert_eq!(secret.expose().len(), 32);
        assert!(secret != generate(&SystemRandom));
        assert!(code_at(&secret, Timestamp::from_seconds(0)).is_some());
    }

    #[test]
    fn the_picture_says_secret_site_and_name() {
        let uri = uri(&known(), "Radio: the hub", "river & song");

        assert_eq!(
            uri.expose(),
            "otpauth://totp/Radio%20%20the%20hub:river%20&%20song\
             ?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=Radio%20%20the%20hub\
             &algorithm=SHA1&digits=6&period=30"
        );
    }
}
