import CP11Kit
import CPKCS11

/// A PKCS#11 URI (RFC 7512), matched by p11-kit. Every attribute of its path restricts what it matches (§2.5).
public final class TokenURI: @unchecked Sendable {
    /// What a URI is used for.
    public enum Purpose: Sendable {
        /// To find the configured token. Its module-path, module-name, pin-value and pin-source are ignored: module and
        /// PIN come only from the configuration.
        case token
        /// To name a key of an open token. These four attributes are refused: a caller that sends them expects an
        /// effect, and a PIN has no place in a request or in a record.
        case key
    }

    /// The text as given.
    public let text: String
    // Never written after init, so that several threads may match with it.
    private let uri: OpaquePointer

    /// Parses `text`. Throws `invalidURI` also for unknown attributes: a name that cannot be checked matches nothing.
    public init(_ text: String, for purpose: Purpose = .token) throws(PKCS11Error) {
        let form = try TokenURIText(text)
        if purpose == .key, let name = form.queryNames.first(where: Self.leadingElsewhere.contains) {
            let what = name.hasPrefix("pin") ? "the PIN comes" : "the module comes"
            throw .invalidURI(reason: "\"\(name)\" is not allowed: \(what) only from the agent's configuration")
        }
        guard let uri = p11_kit_uri_new() else { throw .call("p11_kit_uri_new", CKR_HOST_MEMORY) }
        let result = p11_kit_uri_parse(text, P11_KIT_URI_FOR_ANY, uri)
        guard result == P11_KIT_URI_OK.rawValue else {
            p11_kit_uri_free(uri)
            throw .invalidURI(reason: p11_kit_uri_message(result).map { String(cString: $0) } ?? "error \(result)")
        }
        guard p11_kit_uri_any_unrecognized(uri) == 0 else {
            p11_kit_uri_free(uri)
            throw .invalidURI(reason: "an attribute is longer than PKCS#11 allows")
        }
        self.text = text
        self.uri = uri
    }

    deinit { p11_kit_uri_free(uri) }

    private static let leadingElsewhere: Set<String> = ["pin-value", "pin-source", "module-name", "module-path"]

    /// RFC 7512 §2.5: every attribute of token, slot and library in the URI must be equal; a missing one matches
    /// anything.
    func matches(_ token: TokenInfo, slot: CK_SLOT_INFO, library: CK_INFO) -> Bool {
        let number = p11_kit_uri_get_slot_id(uri)
        if number != CK_SLOT_ID.max, number != token.slot { return false }
        var info = token.padded
        var slot = slot
        var library = library
        return p11_kit_uri_match_token_info(uri, &info) == 1 && p11_kit_uri_match_slot_info(uri, &slot) == 1
            && p11_kit_uri_match_module_info(uri, &library) == 1
    }

    /// The `object` attribute: CKA_LABEL.
    public var objectLabel: [UInt8]? { attribute(CKA_LABEL) }
    /// The `id` attribute: CKA_ID.
    public var objectID: [UInt8]? { attribute(CKA_ID) }
    /// The `type` attribute: CKA_CLASS.
    public var objectClass: CK_OBJECT_CLASS? {
        guard let bytes = attribute(CKA_CLASS), bytes.count == MemoryLayout<CK_OBJECT_CLASS>.size else { return nil }
        return bytes.withUnsafeBytes { $0.loadUnaligned(as: CK_OBJECT_CLASS.self) }
    }

    /// An attribute with an empty value matches an empty value, not any (§2.3).
    private func attribute(_ type: CK_ATTRIBUTE_TYPE) -> [UInt8]? {
        guard let attribute = p11_kit_uri_get_attribute(uri, type) else { return nil }
        guard let value = attribute.pointee.pValue else { return [] }
        return Array(UnsafeRawBufferPointer(start: value, count: Int(attribute.pointee.ulValueLen)))
    }
}
