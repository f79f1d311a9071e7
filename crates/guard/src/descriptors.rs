//! What a program was started with open is its own.

/// Keeps all open files but standard input, output and error from every program that this one starts.
///
/// Who starts us may have left files open in us, with more rights than the programs have that we start. What
/// the standard library opens is kept from them anyway.
pub fn keep_descriptors() {
    close_fds::set_fds_cloexec(3, &[]);
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn what_was_open_is_not_passed_on() {
        let secret = tempfile::NamedTempFile::new().expect("a file");
        let secret_path = secret.path().to_str().expect("a path in UTF-8");
        let open = File::open(secret.path()).expect("it is there");
        rustix::io::fcntl_setfd(&open, rustix::io::FdFlags::empty()).expect("it is open");
        let holds = || {
            let found = Command::new("ls")
                .args(["-l", "/proc/self/fd"])
                .stdin(Stdio::null())
                .output()
                .expect("it runs");
            String::from_utf8_lossy(&found.stdout).contains(secret_path)
        };
        assert!(holds(), "or this test would see nothing");

        keep_descriptors();

        assert!(!holds());
    }
}
