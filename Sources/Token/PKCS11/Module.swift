import CPKCS11
import Glibc
import Synchronization

/// A loaded PKCS#11 module: the vendor's shared library and its function list. No other code of this project calls
/// dlopen.
///
/// A module stays loaded until the process ends: unloading runs destructors under whatever threads the vendor started.
/// Safe to use from many threads once `initialize()` has returned (CKF_OS_LOCKING_OK).
public final class Module: @unchecked Sendable {
    /// The path it was loaded from.
    public let path: String
    let functions: CK_FUNCTION_LIST
    private let initializations = Atomic<UInt64>(0)
    private let initialized = Atomic(false)

    /// Loads the library at `path` and gets its functions: from C_GetInterface (v3.0) if it has that, else from
    /// C_GetFunctionList. The caller must check first that the path can be trusted. Throws `moduleNotLoaded`, or the
    /// failed call.
    public init(path: String) throws(PKCS11Error) {
        // dlopen searches the library path for a name without a slash.
        guard path.utf8.first == UInt8(ascii: "/"), !path.utf8.contains(0) else {
            throw .moduleNotLoaded(path: path, reason: "the path is not absolute")
        }
        guard let library = dlopen(path, RTLD_NOW | RTLD_LOCAL) else {
            throw .moduleNotLoaded(path: path, reason: dlerror().map { String(cString: $0) } ?? "unknown reason")
        }
        self.path = path
        functions = try Self.functionList(of: library, path: path).pointee
    }

    private static func functionList(
        of library: UnsafeMutableRawPointer, path: String
    ) throws(PKCS11Error) -> UnsafeMutablePointer<CK_FUNCTION_LIST> {
        if let symbol = dlsym(library, "C_GetInterface") {
            let getInterface = unsafeBitCast(symbol, to: cpkcs11_get_interface.self)
            var interface: UnsafeMutablePointer<cpkcs11_interface>?
            let returned = "PKCS 11".withCString { name in
                name.withMemoryRebound(to: UInt8.self, capacity: 8) { getInterface($0, nil, &interface, 0) }
            }
            // A module may have the function without such an interface, and still have the older function.
            if returned == CKR_OK, let list = interface?.pointee.functions, isUsable(list) { return list }
        }
        guard let symbol = dlsym(library, "C_GetFunctionList") else {
            throw .moduleNotLoaded(path: path, reason: "it has no C_GetFunctionList, so it is not a PKCS#11 module")
        }
        typealias GetFunctionList = @convention(c) (UnsafeMutablePointer<UnsafeMutablePointer<CK_FUNCTION_LIST>?>) -> CK_RV
        var list: UnsafeMutablePointer<CK_FUNCTION_LIST>?
        let returned = unsafeBitCast(symbol, to: GetFunctionList.self)(&list)
        guard returned == CKR_OK else { throw .call("C_GetFunctionList", returned) }
        guard let list, isUsable(list) else {
            throw .moduleNotLoaded(path: path, reason: "its function list is empty or has an unsupported version")
        }
        return list
    }

    private static func isUsable(_ list: UnsafeMutablePointer<CK_FUNCTION_LIST>) -> Bool {
        (2...3).contains(list.pointee.version.major)
    }

    /// How often the module was initialised. Session and object handles become invalid when it changes.
    public var epoch: UInt64 { initializations.load(ordering: .acquiring) }

    /// Whether the last `initialize()` succeeded and no `finalize()` followed.
    public var isInitialized: Bool { initialized.load(ordering: .acquiring) }

    /// Calls C_Initialize with operating system locks, since several threads sign. It is no error if a library that
    /// shares the module has already initialised it (PKCS#11 v2.40 §5.4).
    public func initialize() throws(PKCS11Error) {
        var arguments = CK_C_INITIALIZE_ARGS()
        arguments.flags = CKF_OS_LOCKING_OK
        let returned = try call("C_Initialize", functions.C_Initialize)(&arguments)
        guard returned == CKR_OK || returned == CKR_CRYPTOKI_ALREADY_INITIALIZED else { throw .call("C_Initialize", returned) }
        initializations.add(1, ordering: .acquiringAndReleasing)
        initialized.store(true, ordering: .releasing)
    }

    /// Calls C_Finalize, which ends every session. No other thread may be inside the module. Must be followed by
    /// `initialize()`; never called at the end of the process (SoftHSM #729: crash in destructors).
    public func finalize() throws(PKCS11Error) {
        initializations.add(1, ordering: .acquiringAndReleasing)
        initialized.store(false, ordering: .releasing)
        let returned = try call("C_Finalize", functions.C_Finalize)(nil)
        guard returned == CKR_OK || returned == CKR_CRYPTOKI_NOT_INITIALIZED else { throw .call("C_Finalize", returned) }
    }

    /// The slots that hold a token now.
    public func slotsWithToken() throws(PKCS11Error) -> [CK_SLOT_ID] {
        let getSlotList = try call("C_GetSlotList", functions.C_GetSlotList)
        // The list may grow between asking for its length and reading it.
        for _ in 0..<4 {
            var count: CK_ULONG = 0
            let asked = getSlotList(CK_BBOOL(CK_TRUE), nil, &count)
            guard asked == CKR_OK else { throw .call("C_GetSlotList", asked) }
            guard count > 0 else { return [] }
            guard count <= Self.mostSlots else { throw .call("C_GetSlotList", CKR_GENERAL_ERROR) }
            var slots = [CK_SLOT_ID](repeating: 0, count: Int(count))
            let returned = getSlotList(CK_BBOOL(CK_TRUE), &slots, &count)
            if returned == CKR_BUFFER_TOO_SMALL { continue }
            guard returned == CKR_OK else { throw .call("C_GetSlotList", returned) }
            return Array(slots.prefix(Int(min(count, CK_ULONG(slots.count)))))
        }
        throw .call("C_GetSlotList", CKR_BUFFER_TOO_SMALL)
    }

    /// The token in `slot`.
    public func tokenInfo(slot: CK_SLOT_ID) throws(PKCS11Error) -> TokenInfo {
        var info = CK_TOKEN_INFO()
        let returned = try call("C_GetTokenInfo", functions.C_GetTokenInfo)(slot, &info)
        guard returned == CKR_OK else { throw .call("C_GetTokenInfo", returned) }
        return TokenInfo(slot: slot, info: info)
    }

    /// The one initialised token that `uri` names. Throws `noToken` or `severalTokens`: nothing is guessed.
    public func token(matching uri: TokenURI) throws(PKCS11Error) -> TokenInfo {
        var matches: [TokenInfo] = []
        for slot in try slotsWithToken() {
            let token: TokenInfo
            do {
                token = try tokenInfo(slot: slot)
            } catch {
                // A reader with an unreadable card must not hide the token in the next one.
                continue
            }
            guard token.flags & CKF_TOKEN_INITIALIZED != 0 else { continue }
            if try self.matches(uri, token) { matches.append(token) }
        }
        guard let first = matches.first else { throw .noToken(uri: uri.text) }
        guard matches.count == 1 else { throw .severalTokens(uri: uri.text, count: matches.count) }
        return first
    }

    /// Whether `uri` matches what `token`, its slot and this module say about themselves.
    func matches(_ uri: TokenURI, _ token: TokenInfo) throws(PKCS11Error) -> Bool {
        var slot = CK_SLOT_INFO()
        var returned = try call("C_GetSlotInfo", functions.C_GetSlotInfo)(token.slot, &slot)
        guard returned == CKR_OK else { throw .call("C_GetSlotInfo", returned) }
        var library = CK_INFO()
        returned = try call("C_GetInfo", functions.C_GetInfo)(&library)
        guard returned == CKR_OK else { throw .call("C_GetInfo", returned) }
        return uri.matches(token, slot: slot, library: library)
    }

    /// Vendors leave out functions that the standard requires at least as stubs.
    func call<Function>(_ name: String, _ function: Function?) throws(PKCS11Error) -> Function {
        guard let function else { throw .call(name, CKR_FUNCTION_NOT_SUPPORTED) }
        return function
    }

    /// More slots than any module has. A larger count comes from a broken module and is no reason to allocate.
    private static let mostSlots: CK_ULONG = 4096
}
