//! The C library: opened at run time, used for one conversation, and closed again.
//!
//! The interface is that of Linux-PAM (`security/pam_appl.h`, `security/_pam_types.h`), which has
//! not changed since its version 1.0.
#![expect(unsafe_code, reason = "PAM is a C library")]

use std::ffi::{CStr, c_char, c_int, c_void};
use std::ptr;

use libloading::Library;

use crate::code::{BUFFER_ERROR, CONVERSATION_ERROR, SUCCESS, Step};
use crate::secret::{Password, text};

const NAME: &str = "libpam.so.0";

/// The item that holds the name of the user (`PAM_USER`).
const USER: c_int = 2;

/// Modules write nothing and accept no empty password (`PAM_SILENT | PAM_DISALLOW_NULL_AUTHTOK`).
const FLAGS: c_int = 0x8000 | 0x0001;

/// A question whose answer is not shown, such as for the password (`PAM_PROMPT_ECHO_OFF`).
const HIDDEN_QUESTION: c_int = 1;
/// Something to show to the person, which needs no answer (`PAM_ERROR_MSG`, `PAM_TEXT_INFO`).
const MESSAGES: [c_int; 2] = [3, 4];

/// The most messages at once (`PAM_MAX_NUM_MSG`).
const MOST_MESSAGES: c_int = 32;

#[repr(C)]
struct Message {
    style: c_int,
    text: *const c_char,
}

#[repr(C)]
struct Response {
    text: *mut c_char,
    unused: c_int,
}

type Converse = unsafe extern "C" fn(
    count: c_int,
    messages: *mut *const Message,
    responses: *mut *mut Response,
    password: *mut c_void,
) -> c_int;

#[repr(C)]
struct PamConversation {
    converse: Converse,
    data: *mut c_void,
}

/// What only the library knows the shape of.
#[repr(C)]
struct Handle {
    opaque: [u8; 0],
}

type Start = unsafe extern "C" fn(
    *const c_char,
    *const c_char,
    *const PamConversation,
    *mut *mut Handle,
) -> c_int;
type Ask = unsafe extern "C" fn(*mut Handle, c_int) -> c_int;
type GetItem = unsafe extern "C" fn(*const Handle, c_int, *mut *const c_void) -> c_int;
type Meaning = unsafe extern "C" fn(*mut Handle, c_int) -> *const c_char;

/// The functions of the library, which stays open as long as they are there.
struct Functions {
    start: Start,
    authenticate: Ask,
    account: Ask,
    get_item: GetItem,
    meaning: Meaning,
    end: Ask,
    _library: Library,
}

impl Functions {
    fn open() -> Result<Self, libloading::Error> {
        // SAFETY: libpam runs no code of its own when it is opened.
        let library = unsafe { Library::new(NAME) }?;
        // SAFETY: these are the signatures in `security/pam_appl.h` of Linux-PAM, which is what
        // this file name stands for.
        unsafe {
            Ok(Self {
                start: *library.get(b"pam_start\0")?,
                authenticate: *library.get(b"pam_authenticate\0")?,
                account: *library.get(b"pam_acct_mgmt\0")?,
                get_item: *library.get(b"pam_get_item\0")?,
                meaning: *library.get(b"pam_strerror\0")?,
                end: *library.get(b"pam_end\0")?,
                _library: library,
            })
        }
    }
}

/// One sign-in at PAM.
pub(crate) struct Conversation {
    functions: Functions,
    handle: *mut Handle,
    /// PAM's last answer, which `pam_end` passes to the modules.
    last: c_int,
    // The library holds pointers to both, so they must neither move nor be dropped before `pam_end`.
    _pam: Box<PamConversation>,
    _password: Box<Password>,
}

impl Conversation {
    /// Begins a conversation about `name`, in which every hidden question is answered with the
    /// password; says what is wrong if it cannot begin.
    pub(crate) fn begin(service: &CStr, name: &CStr, password: Password) -> Result<Self, String> {
        let functions = Functions::open()
            .map_err(|error| format!("PAM is not installed: `{NAME}` cannot be used: {error}"))?;
        let password = Box::new(password);
        let pam = Box::new(PamConversation {
            converse: answer,
            data: ptr::from_ref::<Password>(&password).cast_mut().cast(),
        });
        let mut handle = ptr::null_mut();
        // SAFETY: the texts end with NUL and are copied; `pam` lives as long as the handle.
        let code = unsafe {
            (functions.start)(
                service.as_ptr(),
                name.as_ptr(),
                &raw const *pam,
                &raw mut handle,
            )
        };
        if code != SUCCESS || handle.is_null() {
            return Err(format!("PAM cannot begin (code {code})"));
        }
        Ok(Self {
            functions,
            handle,
            last: SUCCESS,
            _pam: pam,
            _password: password,
        })
    }

    /// Asks one question; the answer is a code of PAM.
    pub(crate) fn take(&mut self, step: Step) -> c_int {
        let ask = match step {
            Step::Authenticate => self.functions.authenticate,
            Step::Account | Step::Again => self.functions.account,
        };
        // SAFETY: the handle is one of `pam_start` and has not ended.
        self.last = unsafe { ask(self.handle, FLAGS) };
        self.last
    }

    /// What a code means, in PAM's words.
    pub(crate) fn meaning(&self, code: c_int) -> String {
        // SAFETY: the handle has not ended.
        let words = unsafe { (self.functions.meaning)(self.handle, code) };
        if words.is_null() {
            return "unknown".to_owned();
        }
        // SAFETY: `pam_strerror` gives a text that ends with NUL and lives until the next call.
        text(unsafe { CStr::from_ptr(words) })
    }

    /// Who it was in the end.
    pub(crate) fn name(&self) -> Option<String> {
        let mut item = ptr::null();
        // SAFETY: the handle has not ended, and `item` is ours.
        let code = unsafe { (self.functions.get_item)(self.handle, USER, &raw mut item) };
        if code != SUCCESS || item.is_null() {
            return None;
        }
        // SAFETY: the item is a text that ends with NUL and lives as long as nobody sets it.
        Some(text(unsafe { CStr::from_ptr(item.cast()) }))
    }
}

impl Drop for Conversation {
    fn drop(&mut self) {
        // SAFETY: the handle has not ended, and nobody uses it after this.
        unsafe { (self.functions.end)(self.handle, self.last) };
    }
}

/// Answers the questions of modules: the hidden ones with the password.
///
/// # Safety
/// Called by PAM with `count` messages and with the [`Password`] that the conversation began with.
unsafe extern "C" fn answer(
    count: c_int,
    messages: *mut *const Message,
    responses: *mut *mut Response,
    password: *mut c_void,
) -> c_int {
    let Ok(length) = usize::try_from(count) else {
        return CONVERSATION_ERROR;
    };
    let unfit = length == 0 || count > MOST_MESSAGES;
    if unfit || messages.is_null() || responses.is_null() || password.is_null() {
        return CONVERSATION_ERROR;
    }
    // SAFETY: `data` of the conversation is a password that lives until after the end.
    let password = unsafe { &*password.cast::<Password>() };
    // PAM frees what it gets with `free`, so it must come from the same allocator.
    // SAFETY: nothing is asked of the arguments; the memory is zeroed.
    let answers: *mut Response = unsafe { libc::calloc(length, size_of::<Response>()) }.cast();
    if answers.is_null() {
        return BUFFER_ERROR;
    }
    for index in 0..length {
        // SAFETY: PAM gave `count` pointers.
        let message = unsafe { *messages.add(index) };
        // SAFETY: each that is not null points at a message.
        let style = unsafe { message.as_ref() }.map(|message| message.style);
        let code = match style {
            Some(HIDDEN_QUESTION) => {
                // SAFETY: the text ends with NUL.
                let copy = unsafe { libc::strdup(password.as_c().as_ptr()) };
                // SAFETY: there is room for `count` answers.
                unsafe { (*answers.add(index)).text = copy };
                if copy.is_null() {
                    BUFFER_ERROR
                } else {
                    SUCCESS
                }
            }
            Some(style) if MESSAGES.contains(&style) => SUCCESS,
            // The person is at a web page and cannot answer other questions.
            _ => CONVERSATION_ERROR,
        };
        if code != SUCCESS {
            // SAFETY: the answers so far are ours, as PAM has not got them.
            unsafe { give_up(answers, length) };
            return code;
        }
    }
    // SAFETY: PAM wants the answers there, and frees them.
    unsafe { *responses = answers };
    SUCCESS
}

/// Overwrites and frees answers that PAM does not get.
///
/// # Safety
/// `answers` is an array of `length` from `calloc`, each of whose texts is null or from `strdup`.
unsafe fn give_up(answers: *mut Response, length: usize) {
    for index in 0..length {
        // SAFETY: there are `length` answers.
        let text = unsafe { (*answers.add(index)).text };
        if text.is_null() {
            continue;
        }
        // SAFETY: the text ends with NUL.
        let size = unsafe { libc::strlen(text) };
        // SAFETY: the text has `size` bytes that are ours.
        unsafe { libc::explicit_bzero(text.cast(), size) };
        // SAFETY: it came from `strdup`, and nobody else has it.
        unsafe { libc::free(text.cast()) };
    }
    // SAFETY: it came from `calloc`, and nobody else has it.
    unsafe { libc::free(answers.cast()) };
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Asks [`answer`] as PAM does; the texts it gives, or the code that it refuses with.
    fn asked(styles: &[c_int]) -> Result<Vec<Option<String>>, c_int> {
        let password = Password::new("eleven stars".to_owned()).expect("no NUL");
        let messages: Vec<Message> = styles
            .iter()
            .map(|style| Message {
                style: *style,
                text: c"?".as_ptr(),
            })
            .collect();
        let mut pointers: Vec<*const Message> = messages.iter().map(ptr::from_ref).collect();
        let mut responses = ptr::null_mut();
        // SAFETY: all of it is as PAM would hand it over.
        let code = unsafe {
            answer(
                c_int::try_from(styles.len()).expect("a few"),
                pointers.as_mut_ptr(),
                &raw mut responses,
                ptr::from_ref(&password).cast_mut().cast(),
            )
        };
        if code != SUCCESS {
            assert!(responses.is_null(), "nothing is handed over");
            return Err(code);
        }
        let texts = (0..styles.len()).map(|index| {
            // SAFETY: there is an answer to each message.
            let given = unsafe { (*responses.add(index)).text };
            // SAFETY: a text that is there ends with NUL.
            (!given.is_null()).then(|| text(unsafe { CStr::from_ptr(given) }))
        });
        let texts = texts.collect();
        // SAFETY: they are ours now, as they would be PAM's.
        unsafe { give_up(responses, styles.len()) };
        Ok(texts)
    }

    #[test]
    fn hidden_questions_get_the_password_and_messages_nothing() {
        let password = Some("eleven stars".to_owned());

        assert_eq!(asked(&[1]), Ok(vec![password.clone()]));
        assert_eq!(asked(&[4, 1, 3]), Ok(vec![None, password, None]));
    }

    #[test]
    fn what_nobody_can_answer_is_refused_and_nothing_is_handed_over() {
        for styles in [&[] as &[c_int], &[2], &[1, 2], &[5], &[1; 33]] {
            assert_eq!(asked(styles), Err(CONVERSATION_ERROR), "{styles:?}");
        }
    }
}
