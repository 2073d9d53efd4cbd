import CP11Kit
import CPKCS11

/// A PKCS#11 URI (RFC 7512), parsed and matched by p11-kit. It names tokens and objects; its module-path, module-name, pin-value and
/// pin-source are ignored, since they could lead the program to another module or PIN than the ones configured.
public final class TokenURI: @unchecked Sendable {
    /// As it was given.
    public let text: String
    // Never written after init, so that several threads may match with it.
    private let uri: OpaquePointer

    /// Parses `text`. Throws `invalidURI` also for attributes that p11-kit does not know: a name it cannot check matches nothing.
    public init(_ text: String) throws(PKCS11Error) {
        guard !text.utf8.contains(0) else { throw .invalidURI(reason: "it contains a NUL") }
        guard let uri = p11_kit_uri_new() else { throw .call("p11_kit_uri_new", CKR_HOST_MEMORY) }
        let result = p11_kit_uri_parse(text, P11_KIT_URI_FOR_ANY, uri)
        guard result == P11_KIT_URI_OK.rawValue else {
            p11_kit_uri_free(uri)
            throw .invalidURI(reason: p11_kit_uri_message(result).map { String(cString: $0) } ?? "error \(result)")
        }
        guard p11_kit_uri_any_unrecognized(uri) == 0 else {
            p11_kit_uri_free(uri)
            throw .invalidURI(reason: "it has an attribute that is not known")
        }
        self.text = text
        self.uri = uri
    }

    deinit { p11_kit_uri_free(uri) }

    /// RFC 7512 §2.4: every token attribute that the URI has is equal; one that it has not matches anything.
    func matches(_ token: TokenInfo) -> Bool {
        let slot = p11_kit_uri_get_slot_id(uri)
        if slot != CK_SLOT_ID.max, slot != token.slot { return false }
        var info = token.info
        return p11_kit_uri_match_token_info(uri, &info) == 1
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

    private func attribute(_ type: CK_ATTRIBUTE_TYPE) -> [UInt8]? {
        guard let attribute = p11_kit_uri_get_attribute(uri, type), let value = attribute.pointee.pValue else { return nil }
        return Array(UnsafeRawBufferPointer(start: value, count: Int(attribute.pointee.ulValueLen)))
    }
}
