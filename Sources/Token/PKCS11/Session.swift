import CPKCS11

/// A Cryptoki session, closed when the last reference is released. Only one thread at a time may use it: a session has
/// one active operation.
public final class Session: @unchecked Sendable {
    /// The module the session belongs to.
    public let module: Module
    /// The slot it was opened on.
    public let slot: CK_SLOT_ID
    let handle: CK_SESSION_HANDLE
    private let epoch: UInt64
    private var isClosed = false

    /// Opens a session on `slot`. Throws the failed C_OpenSession.
    public init(module: Module, slot: CK_SLOT_ID, readWrite: Bool) throws(PKCS11Error) {
        var handle: CK_SESSION_HANDLE = 0
        let flags = CKF_SERIAL_SESSION | (readWrite ? CKF_RW_SESSION : 0)
        let epoch = module.epoch
        let returned = try module.call("C_OpenSession", module.functions.C_OpenSession)(slot, flags, nil, nil, &handle)
        guard returned == CKR_OK else { throw .call("C_OpenSession", returned) }
        self.module = module
        self.slot = slot
        self.handle = handle
        self.epoch = epoch
    }

    deinit { close() }

    /// Closes the session unless it is closed already.
    public func close() {
        // After C_Finalize the number may belong to another session.
        guard !isClosed, epoch == module.epoch else { return }
        isClosed = true
        _ = module.functions.C_CloseSession?(handle)
    }

    /// Logs in all sessions of this process on the token, with a PIN. One call is one try. CKR_USER_ALREADY_LOGGED_IN
    /// is thrown too; it says nothing about the PIN.
    public func logIn(_ pin: borrowing PIN) throws(PKCS11Error) {
        let returned = try logIn(pin, user: CKU_USER)
        guard returned == CKR_OK else { throw .call("C_Login", returned) }
    }

    /// Gives the PIN for the operation just started with a key that has CKA_ALWAYS_AUTHENTICATE (CKU_CONTEXT_SPECIFIC).
    public func authenticate(_ pin: borrowing PIN) throws(PKCS11Error) {
        let returned = try logIn(pin, user: CKU_CONTEXT_SPECIFIC)
        guard returned == CKR_OK else { throw .call("C_Login", returned) }
    }

    private func logIn(_ pin: borrowing PIN, user: CK_USER_TYPE) throws(PKCS11Error) -> CK_RV {
        let login = try module.call("C_Login", module.functions.C_Login)
        return pin.withBytes { login(handle, user, $0.baseAddress, CK_ULONG($0.count)) }
    }

    /// Whether the token has this session logged in as the user.
    public func isLoggedIn() throws(PKCS11Error) -> Bool {
        var info = CK_SESSION_INFO()
        let returned = try module.call("C_GetSessionInfo", module.functions.C_GetSessionInfo)(handle, &info)
        guard returned == CKR_OK else { throw .call("C_GetSessionInfo", returned) }
        return info.state == CKS_RO_USER_FUNCTIONS || info.state == CKS_RW_USER_FUNCTIONS
    }

    /// Throws CKR_USER_NOT_LOGGED_IN if the login is gone: then a search that found nothing proves nothing.
    public func requireLogin() throws(PKCS11Error) {
        guard try isLoggedIn() else { throw .call("C_GetSessionInfo", CKR_USER_NOT_LOGGED_IN) }
    }

    /// Gives the device something small to do, so that it does not drop an idle session (YubiHSM: after 30 s).
    public func keepAlive() throws(PKCS11Error) {
        var bytes = [UInt8](repeating: 0, count: 8)
        let returned = try module.call("C_GenerateRandom", module.functions.C_GenerateRandom)(handle, &bytes, CK_ULONG(bytes.count))
        // A token without a random generator has answered, so it is awake.
        if returned == CKR_RANDOM_NO_RNG || returned == CKR_FUNCTION_NOT_SUPPORTED { return }
        guard returned == CKR_OK else { throw .call("C_GenerateRandom", returned) }
    }

    /// The kinds of keys that the token can sign with.
    public func supportedKeyTypes() throws(PKCS11Error) -> [KeyType] {
        let getMechanismList = try module.call("C_GetMechanismList", module.functions.C_GetMechanismList)
        var count: CK_ULONG = 0
        var returned = getMechanismList(slot, nil, &count)
        guard returned == CKR_OK else { throw .call("C_GetMechanismList", returned) }
        guard count > 0, count <= Self.mostMechanisms else { return [] }
        var list = [CK_MECHANISM_TYPE](repeating: 0, count: Int(count))
        returned = getMechanismList(slot, &list, &count)
        guard returned == CKR_OK else { throw .call("C_GetMechanismList", returned) }
        let mechanisms = Set(list.prefix(Int(min(count, CK_ULONG(list.count)))))

        var types: [KeyType] = []
        if mechanisms.contains(CKM_ECDSA), let range = keySizes(CKM_ECDSA) {
            if range.contains(256) { types.append(.p256) }
            if range.contains(384) { types.append(.p384) }
        }
        if mechanisms.contains(CKM_RSA_PKCS), let range = keySizes(CKM_RSA_PKCS) {
            types += [2048, 3072, 4096].filter { range.contains(CK_ULONG($0)) }.map { .rsa(bits: $0) }
        }
        if mechanisms.contains(CKM_EDDSA) { types.append(.ed25519) }
        return types
    }

    private func keySizes(_ mechanism: CK_MECHANISM_TYPE) -> ClosedRange<CK_ULONG>? {
        var info = CK_MECHANISM_INFO()
        guard module.functions.C_GetMechanismInfo?(slot, mechanism, &info) == CKR_OK, info.ulMinKeySize <= info.ulMaxKeySize else {
            return nil
        }
        // Some modules report RSA sizes in bytes.
        return info.ulMaxKeySize < 1024 && mechanism == CKM_RSA_PKCS
            ? info.ulMinKeySize * 8...info.ulMaxKeySize * 8 : info.ulMinKeySize...info.ulMaxKeySize
    }

    /// Far above the number of mechanisms ever defined.
    private static let mostMechanisms: CK_ULONG = 4096
}
