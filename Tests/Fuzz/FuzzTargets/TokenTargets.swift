import CP11Kit
import JOSE
import PKCS11
import TokenProtocol
import TokenTestSupport

extension FuzzTarget {
    /// PKCS#11 URIs. p11-kit finds the object's label and id that the text has by RFC 7512, and a URI made of them is
    /// read as the same ones.
    static let tokenURI = FuzzTarget(
        "token-uri", longest: 1_024,
        tokens: [
            "pkcs11:", "PKCS11:", "token=", "object=", "id=%01", "type=private", "slot-id=1", "serial=", "%00", "%3B", "%25", ";", "?", "&",
            "pin-value=1", "module-path=/x", "x-vendor=", "library-version=1.2",
        ]
    ) {
        [
            "pkcs11:token=main;object=web;type=private", "pkcs11:id=%01%02%ff;object=a%20b%C3%A9", "pkcs11:",
            "pkcs11:slot-id=7;serial=00af",
            "pkcs11:token=x?pin-source=/etc/pin&x-other=1",
        ].map { Array($0.utf8) }
    } check: { bytes in
        guard let text = String(validating: bytes, as: UTF8.self), let uri = try? TokenURI(text) else { return false }
        try expect(uri.text.utf8.elementsEqual(text.utf8), "a URI is changed")
        try expect(value(of: "object", in: text) == uri.objectLabel, "p11-kit reads another label")
        try expect(value(of: "id", in: text) == uri.objectID, "p11-kit reads another id")
        if let key = try? TokenURI(text, for: .key) {
            try expect(key.objectLabel == uri.objectLabel && key.objectID == uri.objectID, "a key's URI names another key")
            try expect(!hasMore(text), "a key's URI has a PIN or a module")
        }
        var parts: [String] = []
        for (name, value) in [("object", uri.objectLabel), ("id", uri.objectID)] {
            if let value { parts.append("\(name)=" + value.map { "%" + Hexadecimal.encode([$0]) }.joined()) }
        }
        let again = try must("a URI of its label and id is refused") { try TokenURI("pkcs11:" + parts.joined(separator: ";"), for: .key) }
        try expect(again.objectLabel == uri.objectLabel && again.objectID == uri.objectID, "a label or an id has two forms")
        return true
    }

    /// An attribute of the path, percent-decoded (RFC 7512 §2.3).
    private static func value(of name: String, in uri: String) -> [UInt8]? {
        let path = uri.utf8.dropFirst("pkcs11:".utf8.count).prefix { $0 != UInt8(ascii: "?") }
        for attribute in path.split(separator: UInt8(ascii: ";")) where attribute.starts(with: (name + "=").utf8) {
            var value: [UInt8] = [], rest = attribute.dropFirst(name.utf8.count + 1)
            while let byte = rest.popFirst() {
                if byte == UInt8(ascii: "%") {
                    guard let decoded = Hexadecimal.decode(bytes: rest.prefix(2)) else { return nil }
                    value += decoded
                    rest = rest.dropFirst(2)
                } else {
                    value.append(byte)
                }
            }
            return value
        }
        return nil
    }

    /// Whether p11-kit finds in a URI what a key's may not have: a PIN, or a module.
    private static func hasMore(_ text: String) -> Bool {
        guard let uri = p11_kit_uri_new() else { return true }
        defer { p11_kit_uri_free(uri) }
        guard p11_kit_uri_parse(text, P11_KIT_URI_FOR_ANY, uri) == P11_KIT_URI_OK.rawValue else { return true }
        return p11_kit_uri_get_pin_value(uri) != nil || p11_kit_uri_get_pin_source(uri) != nil
            || p11_kit_uri_get_module_name(uri) != nil || p11_kit_uri_get_module_path(uri) != nil
    }

    /// What the daemon sends to the helper.
    static let helperRequest = FuzzTarget("helper-request", longest: 8_192, tokens: frameTokens) {
        ProtocolSamples.requests.map { ProtocolSamples.bytes($0) }
    } check: { bytes in
        try checkFrames(
            bytes, { try $0.nextRequest().map { Frame(id: $0.id, message: $0.request) } },
            { frame in
                var bytes: [UInt8] = []
                frame.message.encode(id: frame.id, to: &bytes)
                return bytes
            })
    }

    /// What the helper answers: it has loaded a vendor's module, and is not trusted.
    static let helperReply = FuzzTarget("helper-reply", longest: 8_192, tokens: frameTokens) {
        ProtocolSamples.replies.map { ProtocolSamples.bytes($0) }
    } check: { bytes in
        try checkFrames(
            bytes, { try $0.nextReply().map { Frame(id: $0.id, message: $0.reply) } },
            { frame in
                var bytes: [UInt8] = []
                frame.message.encode(id: frame.id, to: &bytes)
                return bytes
            })
    }

    private static let frameTokens = ["\0\0\0", "\u{1}\0\0\0", "P-256", "RSA-2048", "Ed25519", "web", "\u{5}\0\0\0", "pkcs11:"]

    private struct Frame<Message: Equatable>: Equatable {
        var id: UInt32
        var message: Message
    }

    /// However a stream arrives, it has the same messages and the same end; each message is read again from what is
    /// written of it.
    private static func checkFrames<Message: Equatable>(
        _ bytes: [UInt8], _ next: (inout FrameDecoder) throws -> Frame<Message>?, _ encode: (Frame<Message>) -> [UInt8]
    ) throws -> Bool {
        func read(_ pieces: [ArraySlice<UInt8>]) -> (frames: [Frame<Message>], isRefused: Bool, isInFrame: Bool) {
            var decoder = FrameDecoder(), frames: [Frame<Message>] = []
            for piece in pieces {
                decoder.append(piece)
                do {
                    while let frame = try next(&decoder) { frames.append(frame) }
                } catch { return (frames, true, false) }
            }
            return (frames, false, decoder.isInFrame)
        }
        let whole = read([bytes[...]])
        var pieces: [ArraySlice<UInt8>] = [], rest = bytes[...]
        while let first = rest.first {
            pieces.append(rest.prefix(1 + Int(first % 19)))
            rest = rest.dropFirst(1 + Int(first % 19))
        }
        let cut = read(pieces)
        try expect(
            cut.frames == whole.frames && cut.isRefused == whole.isRefused && cut.isInFrame == whole.isInFrame,
            "a stream in pieces is another one")
        for frame in whole.frames {
            let once = encode(frame), again = read([once[...]])
            try expect(again.frames == [frame] && !again.isRefused && !again.isInFrame, "what was written is another message: \(frame)")
            try expect(encode(again.frames[0]) == once, "a message has two forms: \(frame)")
        }
        return !whole.frames.isEmpty
    }
}
