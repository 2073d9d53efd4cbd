import CPKCS11

/// How to recover from a failed call, by its return value. One table against devices that stay dead until somebody
/// restarts a program (boulder #3468, fabric #1022, yubihsm-shell #541, thin-edge #4353); Docs/tokens.md publishes it.
public enum Recovery: Hashable, Sendable {
    /// Trying again would fail again.
    case none
    /// The object handle is stale: find the object again.
    case findAgain
    /// The session is gone or stuck in an operation: take a new one and find the object again.
    case newSession
    /// The login is gone: log in again.
    case logInAgain
    /// The device or its driver has failed: a new session, then a new login, then C_Finalize and C_Initialize, then a
    /// new process.
    case device
    /// The token has judged the PIN: never retry without a person, because every try may lock the token.
    case never

    /// The row of the table for `returnValue`.
    public init(for returnValue: ReturnValue) {
        switch returnValue.rawValue {
        case CKR_OBJECT_HANDLE_INVALID, CKR_KEY_HANDLE_INVALID:
            self = .findAgain
        case CKR_SESSION_HANDLE_INVALID, CKR_SESSION_CLOSED, CKR_OPERATION_ACTIVE, CKR_OPERATION_NOT_INITIALIZED, CKR_FUNCTION_FAILED:
            self = .newSession
        case CKR_USER_NOT_LOGGED_IN:
            self = .logInAgain
        case CKR_GENERAL_ERROR, CKR_DEVICE_ERROR, CKR_DEVICE_REMOVED, CKR_TOKEN_NOT_PRESENT, CKR_TOKEN_NOT_RECOGNIZED,
            CKR_CRYPTOKI_NOT_INITIALIZED:
            self = .device
        case CKR_PIN_INCORRECT, CKR_PIN_INVALID, CKR_PIN_LEN_RANGE, CKR_PIN_EXPIRED, CKR_PIN_LOCKED, CKR_PIN_TOO_WEAK,
            CKR_USER_PIN_NOT_INITIALIZED:
            self = .never
        default:
            self = .none
        }
    }

    /// True if a C_Login that returned `returnValue` certainly did not check the PIN, so that it was no try: the token,
    /// the session or a PIN to compare with was missing when the call began. The list leaves out what can follow after
    /// the PIN was sent: CKR_DEVICE_ERROR, CKR_DEVICE_REMOVED, and CKR_GENERAL_ERROR and CKR_FUNCTION_FAILED, which
    /// some drivers return for a wrong PIN.
    public static func pinWasNotJudged(_ returnValue: ReturnValue) -> Bool {
        switch returnValue.rawValue {
        case CKR_TOKEN_NOT_PRESENT, CKR_TOKEN_NOT_RECOGNIZED, CKR_SLOT_ID_INVALID, CKR_SESSION_HANDLE_INVALID, CKR_CRYPTOKI_NOT_INITIALIZED,
            CKR_HOST_MEMORY, CKR_FUNCTION_NOT_SUPPORTED, CKR_USER_PIN_NOT_INITIALIZED, CKR_USER_ALREADY_LOGGED_IN,
            CKR_USER_ANOTHER_ALREADY_LOGGED_IN, CKR_USER_TOO_MANY_TYPES, CKR_OPERATION_NOT_INITIALIZED:
            true
        default:
            false
        }
    }
}
