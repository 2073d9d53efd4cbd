import ACME
import TokenProtocol

/// What a helper reports, in the daemon's own words. The helper runs vendor code; its sentences would otherwise reach
/// the terminal of every user of the agent.
extension TokenFailure {
    /// Unicode scalars of the helper's own sentence that callers see: enough for a file and what is wrong with it.
    static let sentenceForCallers = 160
    /// Unicode scalars of the helper's sentence and hint that the log has.
    static let sentencesInLog = 1_000

    /// The same failure with a message and a hint that follow from its kind and from what Cryptoki returned, both of
    /// closed lists. If no Cryptoki function failed, the beginning of the helper's sentence follows, marked as the
    /// helper's: only that says which file is at fault. ``TokenProtocol/TokenFailure/report`` has what the helper said,
    /// for the log.
    var inOwnWords: TokenFailure {
        var failure = self
        failure.report = TerminalText.safe([message, hint].compactMap(\.self).joined(separator: "; "), limit: TokenFailure.sentencesInLog)
        failure.function = function.flatMap { TokenFailure.isCryptokiFunction($0) ? $0 : nil }
        failure.hint = kind.hint
        if let returnValue {
            failure.message = "\(kind.sentence): \(TokenFailure.words(for: returnValue))"
        } else {
            let said = TerminalText.safe(message, limit: TokenFailure.sentenceForCallers)
            failure.message = said.isEmpty ? kind.sentence : "\(kind.sentence); its helper says: \(said)"
        }
        return failure
    }

    /// `C_` and at most 30 letters: the longest name of PKCS#11 v3.0, `C_DecryptVerifyUpdate`, has 19.
    private static func isCryptokiFunction(_ name: String) -> Bool {
        let letters = name.utf8.dropFirst(2)
        return name.hasPrefix("C_") && (1...30).contains(letters.count)
            && letters.allSatisfy { (0x41...0x5A).contains($0) || (0x61...0x7A).contains($0) }
    }

    /// What a CK_RV means (PKCS#11 v2.40 section 5.1).
    private static func words(for returnValue: UInt) -> String {
        // CKR_VENDOR_DEFINED and above.
        guard returnValue < 0x8000_0000 else { return "an error that only its vendor knows" }
        return returnValueWords[returnValue] ?? "an error that says nothing to the agent"
    }

    private static let returnValueWords: [UInt: String] = [
        // CKR_CANCEL, CKR_FUNCTION_CANCELED
        0x1: "the call was cancelled", 0x50: "the call was cancelled",
        // CKR_HOST_MEMORY
        0x2: "the module has no memory left",
        // CKR_SLOT_ID_INVALID
        0x3: "its slot is no longer there",
        // CKR_GENERAL_ERROR, CKR_FUNCTION_FAILED
        0x5: "a general error", 0x6: "the call failed",
        // CKR_ARGUMENTS_BAD
        0x7: "the module does not accept the arguments",
        // CKR_ATTRIBUTE_READ_ONLY, CKR_ATTRIBUTE_SENSITIVE, CKR_ATTRIBUTE_TYPE_INVALID, CKR_ATTRIBUTE_VALUE_INVALID
        0x10: "an attribute of the key cannot be set", 0x11: "an attribute of the key is secret",
        0x12: "it does not know an attribute of the key", 0x13: "it does not accept an attribute of the key",
        // CKR_ACTION_PROHIBITED
        0x1B: "it prohibits that",
        // CKR_DATA_INVALID, CKR_DATA_LEN_RANGE
        0x20: "it does not accept the data", 0x21: "it does not accept the length of the data",
        // CKR_DEVICE_ERROR, CKR_DEVICE_MEMORY, CKR_DEVICE_REMOVED
        0x30: "the device has a fault", 0x31: "the device has no memory left", 0x32: "the device was removed",
        // CKR_FUNCTION_NOT_SUPPORTED
        0x54: "the module does not have the function",
        // CKR_KEY_HANDLE_INVALID, CKR_OBJECT_HANDLE_INVALID
        0x60: "the key is no longer there", 0x82: "the key is no longer there",
        // CKR_KEY_SIZE_RANGE, CKR_KEY_TYPE_INCONSISTENT, CKR_KEY_FUNCTION_NOT_PERMITTED
        0x62: "it does not take keys of this size", 0x63: "the key is of another type", 0x68: "the key may not do that",
        // CKR_MECHANISM_INVALID, CKR_MECHANISM_PARAM_INVALID
        0x70: "it does not have the mechanism", 0x71: "it does not accept the mechanism's parameters",
        // CKR_OPERATION_ACTIVE, CKR_OPERATION_NOT_INITIALIZED
        0x90: "another operation is under way", 0x91: "the operation was not started",
        // CKR_PIN_INCORRECT, CKR_PIN_INVALID, CKR_PIN_LEN_RANGE, CKR_PIN_EXPIRED, CKR_PIN_LOCKED, CKR_PIN_TOO_WEAK
        0xA0: "the PIN is incorrect", 0xA1: "the PIN has invalid characters", 0xA2: "the PIN is too short or too long",
        0xA3: "the PIN has expired", 0xA4: "the PIN is locked", 0x1C3: "the PIN is too weak",
        // CKR_SESSION_CLOSED, CKR_SESSION_COUNT, CKR_SESSION_HANDLE_INVALID, CKR_SESSION_READ_ONLY
        0xB0: "the session was closed", 0xB1: "it has no session left", 0xB3: "the session is no longer there",
        0xB5: "the session is read-only",
        // CKR_TEMPLATE_INCOMPLETE, CKR_TEMPLATE_INCONSISTENT
        0xD0: "it wants more attributes of the key", 0xD1: "the attributes of the key do not match",
        // CKR_TOKEN_NOT_PRESENT, CKR_TOKEN_NOT_RECOGNIZED, CKR_TOKEN_WRITE_PROTECTED
        0xE0: "the token is not present", 0xE1: "the token is not recognised", 0xE2: "the token is write-protected",
        // CKR_USER_ALREADY_LOGGED_IN, CKR_USER_NOT_LOGGED_IN, CKR_USER_PIN_NOT_INITIALIZED
        0x100: "the user is logged in already", 0x101: "the user is not logged in", 0x102: "the user's PIN is not set",
        // CKR_USER_ANOTHER_ALREADY_LOGGED_IN, CKR_USER_TOO_MANY_TYPES
        0x104: "another user is logged in", 0x105: "too many users are logged in",
        // CKR_DOMAIN_PARAMS_INVALID, CKR_CURVE_NOT_SUPPORTED
        0x130: "it does not know the curve", 0x140: "it does not have the curve",
        // CKR_CRYPTOKI_NOT_INITIALIZED
        0x190: "the module is not initialised",
    ]
}

extension TokenFailure.Kind {
    /// One sentence without a full stop.
    fileprivate var sentence: String {
        switch self {
        case .pinIncorrect: "the token refused the PIN"
        case .pinLocked: "the token has locked the PIN, or few tries are left"
        case .pinNotTriedAgain: "the PIN was tried before and is not tried again"
        case .pinUnavailable: "there is no PIN to log in with"
        case .noToken: "the token is not there"
        case .severalTokens: "several tokens match"
        case .noKey: "the token has no such key"
        case .severalKeys: "several keys of the token match"
        case .keyMismatch: "the token's key is not the one that was pinned"
        case .unsupported: "the token cannot do this"
        case .moduleNotLoaded: "the PKCS#11 module cannot be loaded"
        case .moduleUntrusted: "the PKCS#11 module is not loaded, because other users could change it"
        case .device: "the token failed"
        case .sessionLost: "the token lost the session"
        case .helperDied: "the token's helper cannot continue"
        case .timeout: "the token did not answer in time"
        case .overloaded: "the token has too much to do"
        case .invalidRequest: "the token cannot take the request"
        case .tokenFull: "the token has no room for another key"
        case .keyRejected: "the token made an unacceptable key"
        case .stopped: "the token was closed"
        }
    }

    fileprivate var hint: String? {
        switch self {
        case .pinIncorrect: "correct the PIN file; the same PIN is not tried again"
        case .pinLocked: "unlock it with the security officer's PIN, or log in by hand; the agent's log says which, and how"
        case .pinNotTriedAgain: "correct the PIN file; if the PIN is right, the agent's log says what to do"
        case .pinUnavailable: "the PIN file must hold the PIN alone on one line, and belong to root or to the agent's user with mode 0600"
        case .noToken: "softhsm2-util --show-slots or pkcs11-tool -L lists the tokens"
        case .severalTokens: "add serial= to the URI"
        case .severalKeys:
            "`pkcs11-tool --login --list-objects` lists them: delete all but one, or give the others another id or label"
        case .keyMismatch: "a key of this name was replaced in the token; adopt it under another name"
        case .moduleNotLoaded: "\"module\" must name a PKCS#11 library for this machine, which the agent's user can read"
        case .moduleUntrusted:
            "the module and every folder above it must belong to root or to the agent's user and be writable by nobody else"
        case .overloaded, .stopped: "try again later"
        case .device, .sessionLost, .helperDied, .timeout, .unsupported, .tokenFull, .keyRejected: "the agent's log says more"
        case .noKey, .invalidRequest: nil
        }
    }
}

extension TokenInformation {
    /// The same without what would not be safe to show, within the lengths of CK_TOKEN_INFO (PKCS#11 v2.40 section
    /// 3.2: 32 bytes for label and manufacturer, 16 for model and serial number).
    var inOwnWords: TokenInformation {
        var information = self
        information.label = TerminalText.safe(label, limit: 32)
        information.manufacturer = TerminalText.safe(manufacturer, limit: 32)
        information.model = TerminalText.safe(model, limit: 16)
        information.serial = TerminalText.safe(serial, limit: 16)
        information.pinFault = pinFault?.inOwnWords
        return information
    }
}

extension HelperReply {
    /// The same with nothing that the helper worded.
    var inOwnWords: HelperReply {
        switch self {
        case .failure(let failure): .failure(failure.inOwnWords)
        case .ready(let information): .ready(information.inOwnWords)
        case .signature, .key, .keys, .settled, .done: self
        }
    }
}
