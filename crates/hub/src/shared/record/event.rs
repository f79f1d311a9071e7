//! The events of the audit trail.

macro_rules! events {
    ($($(#[$doc:meta])* $name:ident = $word:literal,)*) => {
        /// What can stand in the audit trail.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Event {
            $($(#[$doc])* $name,)*
        }

        impl Event {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The event as the database and the API have it.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $word,)*
                }
            }
        }
    };
}

events! {
    /// Somebody signed in.
    SignIn = "sign_in",
    /// Somebody was not let in.
    SignInRefused = "sign_in_refused",
    /// More of the same from one network, counted together.
    SignInsRefused = "sign_ins_refused",
    /// A browser signed out.
    SignOut = "sign_out",
    /// Somebody ended the session of another browser of theirs.
    SessionEnded = "session_ended",
    /// All sessions and grants of a user ended.
    SignedOutEverywhere = "signed_out_everywhere",
    /// A user has to sign in again.
    SignInDemanded = "sign_in_demanded",
    /// A provider ended sessions.
    EndedByProvider = "ended_by_provider",
    /// The rules of a provider no longer let a user in.
    NoLongerAllowed = "no_longer_allowed",
    /// An identity at a provider was linked to an account.
    IdentityLinked = "identity_linked",
    /// A provider called another identity by the name of an account.
    SubjectChanged = "subject_changed",
    /// An identity was taken away from an account.
    IdentityUnlinked = "identity_unlinked",
    /// A user changed their password.
    PasswordChanged = "password_changed",
    /// A link for a new password was made.
    PasswordLink = "password_link",
    /// A user chose a password with a link.
    PasswordChosen = "password_chosen",
    /// A second factor was set up.
    SecondFactorOn = "second_factor_on",
    /// A second factor was turned off.
    SecondFactorOff = "second_factor_off",
    /// Somebody took the second factor of a user away.
    SecondFactorReset = "second_factor_reset",
    /// A recovery code was used.
    RecoveryCode = "recovery_code",
    /// New recovery codes were made.
    RecoveryCodes = "recovery_codes",
    /// Somebody made an account for themselves.
    SignUp = "sign_up",
    /// Somebody asked for an account.
    SignUpAsked = "sign_up_asked",
    /// An account that was asked for was made.
    SignUpApproved = "sign_up_approved",
    /// An account that was asked for was refused.
    SignUpRefused = "sign_up_refused",
    /// A link for the first administrator was made.
    FirstAdminLink = "first_admin_link",
    /// The first administrator was made.
    FirstAdmin = "first_admin",
    /// A user was made: by an administrator, or with the first sign-in.
    UserMade = "user_made",
    /// A user has another name.
    UserRenamed = "user_renamed",
    /// A name was given that looks like that of another user.
    LookAlikeName = "look_alike_name",
    /// It was said whose people take over an account that waits for its person.
    AdoptFrom = "adopt_from",
    /// A user was deleted.
    UserDeleted = "user_deleted",
    /// A user is an administrator.
    AdminGiven = "admin_given",
    /// A user is no administrator any more.
    AdminTaken = "admin_taken",
    /// The groups or the admin flag of a user follow what a provider says.
    RightsFollow = "rights_follow",
    /// A group was made.
    GroupMade = "group_made",
    /// A group was deleted.
    GroupDeleted = "group_deleted",
    /// A user came into a group.
    GroupJoined = "group_joined",
    /// A user left a group.
    GroupLeft = "group_left",
    /// A group has other properties.
    GroupProperties = "group_properties",
    /// A token for the API was made.
    ApiTokenMade = "api_token_made",
    /// A token for the API was revoked.
    ApiTokenRevoked = "api_token_revoked",
    /// A server was shared.
    ShareGiven = "share_given",
    /// A share was taken back, or a part of it.
    ShareTaken = "share_taken",
    /// All shares of a server were taken back.
    SharesTaken = "shares_taken",
    /// A link that shares a server was made.
    ShareCodeMade = "share_code_made",
    /// Links that share a server were ended.
    ShareCodesEnded = "share_codes_ended",
    /// Somebody accepted a link that shares a server.
    ShareAccepted = "share_accepted",
    /// An agent got a token.
    Token = "token",
    /// A server read a token at the path of its user.
    ExposedPath = "exposed_path",
    /// A token was read with the state of a sign-in.
    AuthState = "auth_state",
    /// Somebody answered a command line.
    DeviceAnswer = "device_answer",
    /// A command line got a token.
    DeviceToken = "device_token",
    /// An agent came in.
    Enroll = "enroll",
    /// A ticket was used a second time.
    TicketReplay = "ticket_replay",
    /// Somebody acted inside a server from outside.
    Tampering = "tampering",
    /// A request of an agent was refused.
    Refused = "refused",
    /// Somebody else than its owner entered a server, for the first time since its start.
    ServerEntered = "entered",
    /// The tokens of a server were frozen.
    Freeze = "freeze",
    /// Tokens are given again.
    Thaw = "thaw",
}

impl Event {
    /// The event of a row, if this program knows it.
    pub fn find(word: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .copied()
            .find(|event| event.as_str() == word)
    }
}
