import ACME
import CertificateStore
import NIOCore
import NIOEmbedded
import NIOPosix
import NIOSSL
import NIOTLS
import SwiftASN1
import TestSupport
import Testing
import X509

@testable import Issuance

@Suite struct TLSALPN01ListenerTests {
    /// Of the key authorization that `answer` makes.
    private static let digest: [UInt8] = KeyAuthorization(token: "dG9rZW4", thumbprint: "thumb").digest

    private func listening(_ addresses: [String] = ["127.0.0.1:0"]) async throws -> (TLSALPN01Listener, Int) {
        let listener = TLSALPN01Listener(addresses: try addresses.map { try ListenAddress($0) })
        try await listener.prepare()
        return (listener, try #require(listener.port))
    }

    @Test(
        arguments: [
            ("www.example.org", "www.example.org"), ("www.example.org", "WWW.Example.ORG"), ("192.0.2.10", "10.2.0.192.in-addr.arpa"),
            ("2001:db8::1", "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa"),
        ], [TLSVersion.tlsv12, .tlsv13])
    func theCertificateIsExactlyTheAnswer(name: (identifier: String, serverName: String), version: TLSVersion) async throws {
        let (listener, port) = try await listening()
        try await listener.present(try listener.answer(name.identifier))
        try await listener.present(try listener.answer("other.example.org", token: "b3RoZXI"))
        let seen = try await TLSClient.handshake(port, serverName: name.serverName, version: version)
        #expect(seen.applicationProtocol == "acme-tls/1")
        let certificate = try Certificate(derEncoded: seen.certificate)
        let extensions = certificate.extensions
        #expect(extensions.count == 2)
        let proof = try #require(extensions[oid: [1, 3, 6, 1, 5, 5, 7, 1, 31]])
        #expect(proof.critical && Array(proof.value) == [0x04, 0x20] + Self.digest)
        let names = try #require(try extensions.subjectAlternativeNames)
        switch try Identifier(argument: name.identifier) {
        case .dns(let name): #expect(Array(names) == [.dnsName(name.text)])
        case .ip(let address): #expect(Array(names) == [.ipAddress(ASN1OctetString(contentBytes: address.bytes[...]))])
        }
        #expect(certificate.issuer == certificate.subject && !certificate.issuer.isEmpty)
        #expect(certificate.publicKey.isValidSignature(certificate.signature, for: certificate))
        await listener.finish()
        await listener.finish()
        await #expect(throws: (any Error).self) { try await TLSClient.handshake(port, serverName: name.serverName) }
    }

    @Test func aKeyIsMadeForEachChallenge() async throws {
        let (listener, port) = try await listening()
        var keys: Set<[UInt8]> = []
        for _ in 0..<2 {
            try await listener.present(try listener.answer())
            let certificate = try Certificate(derEncoded: try await TLSClient.handshake(port).certificate)
            keys.insert(Array(certificate.publicKey.subjectPublicKeyInfoBytes))
        }
        #expect(keys.count == 2)
        await listener.finish()
    }

    @Test(
        arguments: [
            ("www.example.org", [], 120), ("www.example.org", ["h2"], 120), ("www.example.org", ["acme-tls/1", "h2"], 120),
            ("www.example.org", ["h2", "acme-tls/1"], 120), ("www.example.org", ["acme-tls/1", "acme-tls/1"], 120),
            ("www.example.org", ["acme-tls/11"], 120), ("www.example.org", ["ACME-TLS/1"], 120), ("", ["acme-tls/1"], 112),
            ("example.org", ["acme-tls/1"], 112), ("other.example.org", ["acme-tls/1"], 112), ("www.example.org.", ["acme-tls/1"], 112),
        ] as [(String, [String], UInt8)], [TLSVersion.tlsv12, .tlsv13])
    func anyOtherClientGetsAnAlert(client: (serverName: String, protocols: [String], alert: UInt8), version: TLSVersion) async throws {
        let (listener, port) = try await listening()
        try await listener.present(try listener.answer())
        let hello = try TLSClient.hello(client.protocols, client.serverName.isEmpty ? nil : client.serverName, version: version)
        #expect(try await TLSClient.exchange(port, [hello]) == [21, 3, 3, 0, 2, 2, client.alert])
        await listener.finish()
    }

    @Test func aClientIsToldWhy() async throws {
        let (listener, port) = try await listening()
        await #expect { try await TLSClient.handshake(port, protocols: ["h2"]) } throws: { "\($0)".contains("NO_APPLICATION_PROTOCOL") }
        await #expect { try await TLSClient.handshake(port) } throws: { "\($0)".contains("UNRECOGNIZED_NAME") }
        await listener.finish()
    }

    @Test func versionsBefore12AreRefused() async throws {
        let (listener, port) = try await listening()
        try await listener.present(try listener.answer())
        await #expect { try await TLSClient.handshake(port, version: .tlsv11) } throws: { "\($0)".contains("PROTOCOL_VERSION") }
        await listener.finish()
    }

    @Test(
        arguments: [
            "GET / HTTP/1.1\r\n\r\n", "\u{16}\u{3}\u{1}\u{0}\u{0}", "\u{16}\u{3}\u{1}\u{0}\u{4}\u{2}\u{0}\u{0}\u{0}",
            "\u{16}\u{3}\u{1}\u{0}\u{4}\u{1}\u{7f}\u{0}\u{0}", "\u{16}\u{3}\u{1}\u{7f}\u{0}",
            "\u{16}\u{3}\u{1}\u{0}\u{5}\u{1}\u{0}\u{0}\u{1}\u{0}",
        ])
    func whatIsNoClientHelloGetsAnAlert(text: String) async throws {
        let (listener, port) = try await listening()
        #expect(try await TLSClient.exchange(port, [Array(text.utf8)]) == [21, 3, 3, 0, 2, 2, 50])
        await listener.finish()
    }

    /// As ten names of an order, each looked at from five places.
    @Test func manyAreAnsweredAtOnce() async throws {
        let (listener, port) = try await listening()
        let names = (0..<10).map { "n\($0).example.org" }
        let answers = try names.map { try listener.answer($0, token: "token-\($0.prefix(2))") }
        for answer in answers { try await listener.present(answer) }
        async let looked = listener.waitForValidation(of: answers, quiet: .milliseconds(50), limit: .seconds(20))
        try await withThrowingTaskGroup(of: Void.self) { group in
            for answer in answers + answers + answers + answers + answers {
                group.addTask {
                    let seen = try await TLSClient.handshake(port, serverName: answer.identifier.value)
                    let proof = try Certificate(derEncoded: seen.certificate).extensions[oid: [1, 3, 6, 1, 5, 5, 7, 1, 31]]
                    #expect((proof?.value).map { Array($0.dropFirst(2)) } == answer.keyAuthorization.digest)
                }
            }
            try await group.waitForAll()
        }
        #expect(await looked)
        await listener.finish()
    }

    @Test func aRefusedClientIsNoValidation() async throws {
        let (listener, port) = try await listening()
        let answer = try listener.answer()
        try await listener.present(answer)
        _ = try? await TLSClient.handshake(port, protocols: ["h2"])
        #expect(await !listener.waitForValidation(of: [answer], quiet: .milliseconds(12), limit: .milliseconds(50)))
        await listener.finish()
    }

    @Test func cleanUpRemovesThisAnswerOnly() async throws {
        let (listener, port) = try await listening()
        let first = try listener.answer(), second = try listener.answer(token: "c2Vjb25k")
        try await listener.cleanUp(first)
        try await listener.present(first)
        try await listener.present(second)
        try await listener.cleanUp(first)
        _ = try await TLSClient.handshake(port)
        try await listener.cleanUp(second)
        try await listener.cleanUp(second)
        await #expect(throws: (any Error).self) { try await TLSClient.handshake(port) }
        await listener.finish()
    }

    @Test func bothFamiliesAreServed() async throws {
        let (listener, port) = try await listening(["[::1]:0", "127.0.0.1:0"])
        try await listener.present(try listener.answer())
        _ = try await TLSClient.handshake(port, host: "::1")
        await listener.finish()
    }

    @Test func anAddressInUseIsExplained() async throws {
        let (first, port) = try await listening()
        let second = TLSALPN01Listener(addresses: [try ListenAddress("127.0.0.1:\(port)")], patience: .milliseconds(50))
        await #expect { try await second.prepare() } throws: { error in
            guard case .busy(let reason, let hint)? = error as? IssuanceError else { return false }
            return reason.contains("another program listens") && hint?.contains("acme-tls/1") == true
        }
        await first.finish()
    }

    @Test func wildcardsAreLeftToOthers() throws {
        let listener = TLSALPN01Listener(addresses: [])
        #expect(try !listener.canSolve(Identifier(argument: "*.example.org")))
        #expect(try listener.canSolve(Identifier(argument: "example.org")) && listener.canSolve(Identifier(argument: "::1")))
        #expect(
            try TLSALPN01Listener(addresses: [ListenAddress("[::]:443")]).answer("192.0.2.1").target == "[::]:443 1.2.0.192.in-addr.arpa")
    }

    @Test func aClientHelloMaySplitAnywhere() throws {
        let bytes = try TLSClient.hello(["acme-tls/1"], "www.example.org", version: .tlsv13)
        let wanted = ClientHello.Reading.complete(ClientHello(serverName: "www.example.org", protocols: ["acme-tls/1"]))
        for split in 0...bytes.count {
            var reader = ClientHello.Reader()
            let first = reader.take(ByteBuffer(bytes: bytes.prefix(split)))
            #expect(first == (split == bytes.count ? wanted : .incomplete))
            if first == .incomplete { #expect(reader.take(ByteBuffer(bytes: bytes.dropFirst(split))) == wanted) }
        }
        // A record for each ten bytes of the message.
        var reader = ClientHello.Reader()
        let message = Array(bytes.dropFirst(5))
        let pieces = stride(from: 0, to: message.count, by: 10).map { Array(message[$0..<min($0 + 10, message.count)]) }
        let readings = pieces.map { reader.take(ByteBuffer(bytes: [22, 3, 1, 0, UInt8($0.count)] + $0)) }
        #expect(readings.last == wanted && readings.dropLast().allSatisfy { $0 == .incomplete })
        #expect(reader.received.readableBytes == message.count + 5 * pieces.count)
    }

    /// The line that nginx and HAProxy send in front, which may also come in pieces.
    @Test(arguments: ["PROXY TCP4 192.0.2.1 192.0.2.2 50000 443\r\n", "PROXY UNKNOWN\r\n", "PROXY TCP6 ::1 ::1 1 2\r\n"])
    func aProxysLineIsSkipped(line: String) throws {
        let bytes = try TLSClient.hello(["acme-tls/1"], "www.example.org", version: .tlsv12)
        let wanted = ClientHello.Reading.complete(ClientHello(serverName: "www.example.org", protocols: ["acme-tls/1"]))
        let all = Array(line.utf8) + bytes
        for split in 0..<all.count {
            var reader = ClientHello.Reader()
            #expect(reader.take(ByteBuffer(bytes: all.prefix(split))) == .incomplete)
            #expect(reader.take(ByteBuffer(bytes: all.dropFirst(split))) == wanted)
            #expect(Array(reader.received.readableBytesView) == bytes)
        }
    }

    @Test(arguments: [
        "PROXY " + String(repeating: "x", count: 200), "PROXX TCP4\r\n", "POST / HTTP/1.1\r\n\r\n",
        "PROXY TCP4 192.0.2.1 192.0.2.2 50000 443\r\nPROXY TCP4 192.0.2.1 192.0.2.2 50000 443\r\n",
    ]) func anythingElseInFrontIsNot(text: String) {
        var reader = ClientHello.Reader()
        #expect(reader.take(ByteBuffer(string: text)) == .malformed)
    }

    /// Every byte changed, and every end: none traps, and no name is invented.
    @Test func aDamagedClientHelloIsNoTrap() throws {
        let bytes = try TLSClient.hello(["acme-tls/1"], "www.example.org", version: .tlsv13)
        for index in bytes.indices {
            for value in [0, 1, 0x7F, 0xFF, bytes[index] &+ 1] as [UInt8] {
                var damaged = bytes
                damaged[index] = value
                var reader = ClientHello.Reader()
                if case .complete(let hello) = reader.take(ByteBuffer(bytes: damaged)) {
                    #expect((hello.serverName?.utf8.count ?? 0) <= 255)
                }
            }
        }
    }

    @Test func aClientHelloIsBounded() {
        var reader = ClientHello.Reader(), taken = 0
        // The message's length is plausible, but it comes a byte in each record.
        #expect(reader.take(ByteBuffer(bytes: [22, 3, 1, 0, 4, 1, 0, 0x40, 0])) == .incomplete)
        while reader.take(ByteBuffer(bytes: [22, 3, 1, 0, 1, 0])) == .incomplete, taken < 100_000 { taken += 1 }
        #expect(taken < 6_000)
    }
}

/// A TLS client as a CA has it: it takes any certificate, and says which one it got.
enum TLSClient {
    struct Seen: Sendable {
        var certificate: [UInt8]
        var applicationProtocol: String?
    }

    private static func context(_ protocols: [String], _ version: TLSVersion) throws -> NIOSSLContext {
        var configuration = TLSConfiguration.makeClientConfiguration()
        configuration.certificateVerification = .none
        configuration.applicationProtocols = protocols
        configuration.minimumTLSVersion = version
        configuration.maximumTLSVersion = version
        return try NIOSSLContext(configuration: configuration)
    }

    static func handshake(
        _ port: Int, host: String = "127.0.0.1", serverName: String? = "www.example.org", protocols: [String] = ["acme-tls/1"],
        version: TLSVersion = .tlsv13
    ) async throws -> Seen {
        let context = try context(protocols, version)
        let group = MultiThreadedEventLoopGroup.singleton
        let promise = group.any().makePromise(of: Seen.self)
        let channel: any Channel
        do {
            channel = try await ClientBootstrap(group: group)
                .channelInitializer { channel in
                    channel.eventLoop.makeCompletedFuture {
                        try channel.pipeline.syncOperations.addHandlers([
                            NIOSSLClientHandler(context: context, serverHostname: serverName), HandshakeWatch(promise),
                        ])
                    }
                }
                .connect(host: host, port: port).get()
        } catch {
            promise.fail(error)
            throw error
        }
        defer { channel.close(promise: nil) }
        return try await promise.futureResult.get()
    }

    /// The first bytes that such a client sends.
    static func hello(_ protocols: [String], _ serverName: String?, version: TLSVersion) throws -> [UInt8] {
        let channel = EmbeddedChannel(
            handler: try NIOSSLClientHandler(context: try context(protocols, version), serverHostname: serverName))
        try channel.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 443)).wait()
        let hello = try channel.readOutbound(as: ByteBuffer.self)
        _ = try? channel.finish(acceptAlreadyClosed: true)
        return Array((hello ?? ByteBuffer()).readableBytesView)
    }

    /// Sends bytes and reads until the server ends the connection.
    static func exchange(_ port: Int, _ pieces: [[UInt8]]) async throws -> [UInt8] {
        let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .connect(host: "127.0.0.1", port: port) { channel in
                channel.eventLoop.makeCompletedFuture {
                    try NIOAsyncChannel<ByteBuffer, ByteBuffer>(wrappingChannelSynchronously: channel)
                }
            }
        return try await channel.executeThenClose { inbound, outbound in
            for piece in pieces { try await outbound.write(ByteBuffer(bytes: piece)) }
            var answer: [UInt8] = []
            for try await buffer in inbound { answer += buffer.readableBytesView }
            return answer
        }
    }
}

/// Fulfils its promise with the handshake's result.
private final class HandshakeWatch: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private var promise: EventLoopPromise<TLSClient.Seen>?

    init(_ promise: EventLoopPromise<TLSClient.Seen>) { self.promise = promise }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        guard case .handshakeCompleted(let applicationProtocol) = event as? TLSUserEvent else { return }
        let certificate = (try? context.pipeline.syncOperations.nioSSL_peerCertificate())?.flatMap { try? $0.toDERBytes() }
        promise?.succeed(TLSClient.Seen(certificate: certificate ?? [], applicationProtocol: applicationProtocol))
        promise = nil
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { fail(error) }

    func channelInactive(context: ChannelHandlerContext) { fail(ChannelError.eof) }

    private func fail(_ error: any Error) {
        promise?.fail(error)
        promise = nil
    }
}
