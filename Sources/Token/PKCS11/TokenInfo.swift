import CPKCS11

/// CK_TOKEN_INFO (PKCS#11 v2.40 §3.2) of the token in a slot.
public struct TokenInfo: @unchecked Sendable {
    /// The slot it was seen in. Slots change when tokens are plugged in: find it again after a device error.
    public let slot: CK_SLOT_ID
    let info: CK_TOKEN_INFO

    init(slot: CK_SLOT_ID, info: CK_TOKEN_INFO) {
        self.slot = slot
        self.info = info
    }

    /// The label, without the blanks at its end.
    public var label: String { withUnsafeBytes(of: info.label, Self.text) }
    /// The maker's name.
    public var manufacturer: String { withUnsafeBytes(of: info.manufacturerID, Self.text) }
    /// The model.
    public var model: String { withUnsafeBytes(of: info.model, Self.text) }
    /// The serial number.
    public var serialNumber: String { withUnsafeBytes(of: info.serialNumber, Self.text) }
    /// The same, padded with blanks as the standard requires; some modules pad with NUL.
    var padded: CK_TOKEN_INFO {
        var info = info
        withUnsafeMutableBytes(of: &info.label, Self.pad)
        withUnsafeMutableBytes(of: &info.manufacturerID, Self.pad)
        withUnsafeMutableBytes(of: &info.model, Self.pad)
        withUnsafeMutableBytes(of: &info.serialNumber, Self.pad)
        return info
    }

    private static func pad(_ field: UnsafeMutableRawBufferPointer) {
        for index in field.indices.reversed() {
            guard field[index] == 0 else { return }
            field[index] = 0x20
        }
    }

    /// The CKF_ flags.
    public var flags: CK_FLAGS { info.flags }

    /// The token requires C_Login before it uses private keys.
    public var isLoginRequired: Bool { flags & CKF_LOGIN_REQUIRED != 0 }
    /// The user PIN is locked.
    public var isPINLocked: Bool { flags & CKF_USER_PIN_LOCKED != 0 }
    /// A wrong user PIN was given since the last login, or only one try is left.
    public var isPINCountLow: Bool { flags & (CKF_USER_PIN_COUNT_LOW | CKF_USER_PIN_FINAL_TRY) != 0 }

    /// Fixed fields are padded with blanks and not terminated; some modules pad with NUL.
    private static func text(_ field: UnsafeRawBufferPointer) -> String {
        var bytes = field[...]
        while let last = bytes.last, last == 0x20 || last == 0 { bytes = bytes.dropLast() }
        return String(decoding: bytes, as: UTF8.self)
    }
}
