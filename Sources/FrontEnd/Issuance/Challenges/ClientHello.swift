import NIOCore

/// The first message of a TLS client (RFC 8446 §4.1.2): the server that it wants, and the protocols that it offers.
struct ClientHello: Equatable, Sendable {
    /// Lower case; `nil` without server_name (RFC 6066 §3).
    var serverName: String?
    /// In the client's order; `nil` without application_layer_protocol_negotiation (RFC 7301 §3.1).
    var protocols: [String]?

    /// A CA's has some 300 bytes, one with post-quantum key shares some 2,000.
    static let maximumSize = 16 * 1024

    enum Reading: Equatable, Sendable {
        /// There is more to come.
        case incomplete
        case complete(ClientHello)
        /// Not a ClientHello.
        case malformed
    }

    /// Reads it from the first bytes of a connection, which may split it into records and packets anywhere.
    struct Reader: Sendable {
        /// All bytes of TLS so far.
        private(set) var received = ByteBuffer()
        private var header = ProxyHeader()
        private var unread = ByteBuffer()
        private var message = ByteBuffer()

        private static let handshakeRecord: UInt8 = 22
        private static let clientHello: UInt8 = 1
        /// Twice the message: records of few bytes have more header than content, and no client sends such ones.
        private static let maximumReceived = 2 * maximumSize

        mutating func take(_ bytes: ByteBuffer) -> Reading {
            guard let bytes = header.skip(bytes) else { return header.isMalformed ? .malformed : .incomplete }
            received.writeImmutableBuffer(bytes)
            unread.writeImmutableBuffer(bytes)
            guard received.readableBytes <= Self.maximumReceived else { return .malformed }
            while true {
                var next = unread
                guard let type = next.readInteger(as: UInt8.self) else { return .incomplete }
                guard type == Self.handshakeRecord else { return .malformed }
                guard let version = next.readInteger(as: UInt16.self), let length = next.readInteger(as: UInt16.self) else {
                    return .incomplete
                }
                // RFC 8446 §5.1: no empty fragments, at most 2^14 bytes.
                guard version >> 8 == 3, length > 0, length <= 1 << 14 else { return .malformed }
                guard let fragment = next.readSlice(length: Int(length)) else { return .incomplete }
                unread = next
                message.writeImmutableBuffer(fragment)
                if let reading = readMessage() { return reading }
            }
        }

        /// - Returns: `nil` if there is more to come.
        private func readMessage() -> Reading? {
            var message = message
            guard message.readInteger(as: UInt8.self) == Self.clientHello else { return .malformed }
            guard let high = message.readInteger(as: UInt8.self), let low = message.readInteger(as: UInt16.self) else { return nil }
            let length = Int(high) << 16 | Int(low)
            guard length <= maximumSize else { return .malformed }
            return message.readSlice(length: length).map { parse($0).map(Reading.complete) ?? .malformed }
        }
    }

    private static func parse(_ body: ByteBuffer) -> ClientHello? {
        var body = body
        // legacy_version, random
        guard body.readSlice(length: 2 + 32) != nil,
            // legacy_session_id, cipher_suites, legacy_compression_methods
            body.readVector(UInt8.self) != nil, body.readVector(UInt16.self) != nil, body.readVector(UInt8.self) != nil
        else { return nil }
        var hello = ClientHello()
        // TLS 1.2 allows a ClientHello without extensions.
        if body.readableBytes == 0 { return hello }
        guard var extensions = body.readVector(UInt16.self), body.readableBytes == 0 else { return nil }
        var seen: Set<UInt16> = []
        while extensions.readableBytes > 0 {
            guard let type = extensions.readInteger(as: UInt16.self), let content = extensions.readVector(UInt16.self),
                seen.insert(type).inserted
            else { return nil }
            switch type {
            case 0:
                guard let name = serverName(content) else { return nil }
                hello.serverName = name
            case 16:
                guard let names = protocols(content) else { return nil }
                hello.protocols = names
            default: break
            }
        }
        return hello
    }

    /// RFC 6066 §3: a list, of which only one entry of type host_name is defined.
    private static func serverName(_ content: ByteBuffer) -> String? {
        var content = content
        guard var list = content.readVector(UInt16.self), content.readableBytes == 0, list.readInteger(as: UInt8.self) == 0,
            let name = list.readVector(UInt16.self), list.readableBytes == 0, (1...255).contains(name.readableBytes)
        else { return nil }
        return text(name)?.lowercased()
    }

    /// RFC 7301 §3.1
    private static func protocols(_ content: ByteBuffer) -> [String]? {
        var content = content
        guard var list = content.readVector(UInt16.self), content.readableBytes == 0, list.readableBytes > 0 else { return nil }
        var names: [String] = []
        while list.readableBytes > 0 {
            guard let name = list.readVector(UInt8.self), name.readableBytes > 0 else { return nil }
            // Protocols may be any bytes (RFC 8701 has such ones); none of these is compared with.
            names.append(text(name) ?? "")
        }
        return names
    }

    /// ASCII text.
    private static func text(_ bytes: ByteBuffer) -> String? {
        guard bytes.readableBytesView.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else { return nil }
        return String(buffer: bytes)
    }
}

extension ByteBuffer {
    /// A vector with its length in front (RFC 8446 §3.4); `nil` if the bytes end before.
    fileprivate mutating func readVector<Length: FixedWidthInteger>(_ type: Length.Type) -> ByteBuffer? {
        guard let length = readInteger(as: type) else { return nil }
        return readSlice(length: Int(length))
    }
}
