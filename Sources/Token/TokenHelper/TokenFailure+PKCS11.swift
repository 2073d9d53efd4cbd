import CPKCS11
import Glibc
import KeyEncoding
import PKCS11
import TokenProtocol

extension TokenFailure {
    /// What the daemon is told about an error of the PKCS#11 layer.
    init(_ error: PKCS11Error) {
        switch error {
        case .cryptoki(let failure): self.init(failure)
        case .moduleNotLoaded:
            self.init(.moduleNotLoaded, message: error.description, hint: "\"module\" must name a PKCS#11 library for this machine")
        case .invalidURI: self.init(.invalidRequest, message: error.description)
        case .noToken:
            self.init(.noToken, message: error.description, hint: "softhsm2-util --show-slots or pkcs11-tool -L lists the tokens")
        case .severalTokens:
            self.init(.severalTokens, message: error.description, hint: "add serial= to the URI")
        case .otherToken: self.init(.invalidRequest, message: error.description + "; say which configured token is meant")
        case .keyUnusable: self.init(.invalidRequest, message: error.description)
        case .noKey: self.init(.noKey, message: error.description)
        case .severalKeys:
            self.init(
                .severalKeys, message: error.description,
                hint: "`pkcs11-tool --login --list-objects` lists them: delete all but one, or give the others another id or label")
        case .publicKeyUnreadable: self.init(.unsupported, message: error.description)
        case .keyNotProtected: self.init(.keyRejected, message: error.description + "; it was destroyed")
        case .unsupported: self.init(.unsupported, message: error.description)
        case .signatureLength: self.init(.device, message: error.description)
        }
    }

    private init(_ failure: CryptokiError) {
        let kind: Kind
        var hint: String?
        switch failure.returnValue.rawValue {
        case CKR_PIN_INCORRECT, CKR_PIN_INVALID, CKR_PIN_LEN_RANGE:
            kind = .pinIncorrect
            hint = "correct the PIN file; the same PIN is not tried again"
        case CKR_PIN_LOCKED:
            kind = .pinLocked
            hint = "unlock the PIN with the security officer's PIN"
        case CKR_PIN_EXPIRED, CKR_PIN_TOO_WEAK, CKR_USER_PIN_NOT_INITIALIZED:
            kind = .pinUnavailable
            hint = "set the token's user PIN"
        case CKR_TOKEN_NOT_PRESENT, CKR_TOKEN_NOT_RECOGNIZED, CKR_SLOT_ID_INVALID: kind = .noToken
        case CKR_SESSION_HANDLE_INVALID, CKR_SESSION_CLOSED, CKR_USER_NOT_LOGGED_IN: kind = .sessionLost
        case CKR_MECHANISM_INVALID, CKR_MECHANISM_PARAM_INVALID, CKR_KEY_TYPE_INCONSISTENT, CKR_KEY_FUNCTION_NOT_PERMITTED,
            CKR_FUNCTION_NOT_SUPPORTED, CKR_KEY_SIZE_RANGE, CKR_ATTRIBUTE_TYPE_INVALID, CKR_ATTRIBUTE_VALUE_INVALID,
            CKR_TEMPLATE_INCONSISTENT, CKR_CURVE_NOT_SUPPORTED, CKR_TOKEN_WRITE_PROTECTED:
            kind = .unsupported
        case CKR_DEVICE_MEMORY: kind = .tokenFull
        default: kind = .device
        }
        self.init(
            kind, function: failure.function, returnValue: failure.returnValue.rawValue,
            message: "the token failed: \(failure.returnValue.name ?? "a vendor-defined error")", hint: hint)
    }

    /// Whether somebody must look at the PIN or its file.
    var isAboutPIN: Bool {
        switch kind {
        case .pinIncorrect, .pinLocked, .pinNotTriedAgain, .pinUnavailable: true
        default: false
        }
    }

    /// What the daemon is told about a PIN file that is not accepted.
    init(_ error: PIN.SourceError, path: String) {
        let reason: String
        var hint: String?
        switch error {
        case .unreadable(let number):
            reason = number == ENOENT ? "does not exist" : "cannot be read: \(SystemError(number: number))"
            hint =
                number == ENOENT
                ? "write the PIN into it, alone on one line, readable by the agent's user only, or name another file in pin-source"
                : "it must belong to root or to the agent's user, and that user must be able to read it"
        case .notRegularFile: reason = "is not a regular file"
        case .wrongOwner(let uid):
            reason = "belongs to uid \(uid)"
            hint = "it must belong to root or to the agent's user"
        case .wrongMode(let mode):
            reason = "can be used by its group or others (mode \(String(mode, radix: 8)))"
            hint = "chmod 0600 \"\(path)\""
        case .untrustedWay(let path, let why):
            reason = "is not read, because \"\(path)\" \(why)"
            hint =
                "the file, every folder above it and every link to it must belong to root or to the agent's user and be writable by nobody else"
        case .empty:
            reason = "is empty"
            hint = "write the PIN into it, alone on one line: systemd-ask-password \"PIN:\" > \"\(path)\""
        case .tooLong: reason = "has more than \(PIN.longest) bytes"
        case .noMemory: reason = "cannot be read: no memory"
        case .malformed(let line, let flaw):
            reason = "is not valid, line \(line): " + Self.sentence(flaw)
            hint = "no try was made; write the PIN again, alone on one line: systemd-ask-password \"PIN:\" > \"\(path)\""
        }
        self.init(.pinUnavailable, message: "the PIN file \"\(path)\" \(reason)", hint: hint)
    }
}

extension TokenFailure {
    private static func sentence(_ flaw: PIN.Flaw) -> String {
        switch flaw {
        case .secondLine: "there is more than one line"
        case .carriageReturn: "there is a carriage return"
        case .blankAtStart: "it begins with a blank"
        case .blankAtEnd: "it ends with a blank"
        case .byteOrderMark: "it begins with a byte order mark"
        case .controlCharacter: "there is a control character"
        case .notUTF8: "it is not UTF-8"
        }
    }
}

extension KeyType {
    /// The kind of key as PKCS#11 sees it.
    init(_ algorithm: KeyAlgorithm) {
        switch algorithm {
        case .p256: self = .p256
        case .p384: self = .p384
        case .rsa2048: self = .rsa(bits: 2048)
        case .rsa3072: self = .rsa(bits: 3072)
        case .rsa4096: self = .rsa(bits: 4096)
        case .ed25519: self = .ed25519
        }
    }

    /// The agent's algorithm for such keys, or nil.
    var algorithm: KeyAlgorithm? {
        switch self {
        case .p256: .p256
        case .p384: .p384
        case .rsa(bits: 2048): .rsa2048
        case .rsa(bits: 3072): .rsa3072
        case .rsa(bits: 4096): .rsa4096
        case .rsa: nil
        case .ed25519: .ed25519
        }
    }
}

extension SignatureScheme {
    /// The scheme as PKCS#11 sees it.
    init(_ mechanism: SigningMechanism) {
        switch mechanism {
        case .ecdsa: self = .ecdsa
        case .rsaPKCS1SHA256: self = .rsaPKCS1(.sha256)
        case .rsaPKCS1SHA384: self = .rsaPKCS1(.sha384)
        case .rsaPKCS1SHA512: self = .rsaPKCS1(.sha512)
        case .rsaPSSSHA256: self = .rsaPSS(.sha256)
        case .rsaPSSSHA384: self = .rsaPSS(.sha384)
        case .rsaPSSSHA512: self = .rsaPSS(.sha512)
        case .ed25519: self = .ed25519
        }
    }
}

extension TokenKey {
    /// Nil for a key that the agent cannot name: another kind, a label that is not UTF-8 or too long.
    init?(_ key: KeyObject) {
        guard let algorithm = key.type.algorithm, key.id.count <= TokenLimits.id, key.label.count <= TokenLimits.label,
            let label = String(validating: key.label, as: UTF8.self)
        else { return nil }
        self.init(
            reference: TokenKeyReference(id: key.id, label: label, spki: key.spki), algorithm: algorithm,
            weaknesses: KeyWeaknesses(key.protection))
    }
}

extension KeyWeaknesses {
    /// What a private key's attributes allow beyond signing.
    init(_ protection: KeyProtection) {
        self = []
        if protection.isExtractable { insert(.extractable) }
        if !protection.wasNeverExtractable { insert(.wasExtractable) }
        if !protection.isSensitive { insert(.notSensitive) }
        if !protection.wasAlwaysSensitive { insert(.wasNotSensitive) }
        if protection.decrypts { insert(.decrypts) }
        if protection.unwraps { insert(.unwraps) }
        if protection.derives { insert(.derives) }
        if protection.signsWithRecovery { insert(.signsWithRecovery) }
    }
}
