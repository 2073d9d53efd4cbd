import CLinux
import Foundation
import JOSE
import Testing
import TokenProtocol
import TokenTestSupport

/// acme-agent-token as a child process, driven over its links by hand.
final class HelperProcess {
    let identifier: pid_t
    private var links: [Int32]
    private var decoders: [FrameDecoder]
    private var status: Int32?

    init(links count: Int = 1) throws {
        var ours: [Int32] = []
        var theirs: [Int32] = []
        for _ in 0...count {
            var pair: [Int32] = [0, 0]
            try #require(clinux_socketpair(&pair) == 0)
            var patience = timeval(tv_sec: 60, tv_usec: 0)
            setsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
            ours.append(pair[0])
            theirs.append(pair[1])
        }
        defer { for descriptor in theirs { close(descriptor) } }
        let program = try HelperFixture.program()
        let words = ["acme-agent-token", "--links", String(count)]
        var arguments: [UnsafeMutablePointer<CChar>?] = words.map { strdup($0) } + [nil]
        var environment: [UnsafeMutablePointer<CChar>?] = [strdup("PATH=/usr/bin:/bin"), nil]
        defer { for text in arguments + environment { free(text) } }
        var pid: pid_t = 0
        try #require(clinux_spawn(program, &arguments, &environment, theirs, Int32(theirs.count), &pid) == 0)
        identifier = pid
        links = ours
        decoders = ours.map { _ in FrameDecoder() }
    }

    deinit {
        for link in links { close(link) }
        if status == nil {
            Foundation.kill(identifier, SIGKILL)
            var status: Int32 = 0
            waitpid(identifier, &status, 0)
        }
    }

    func send(_ requests: [(UInt32, HelperRequest)], link: Int = 0) throws {
        var bytes: [UInt8] = []
        for (id, request) in requests { request.encode(id: id, to: &bytes) }
        try send(bytes: bytes, link: link)
    }

    func send(bytes: [UInt8], link: Int = 0) throws {
        var sent = 0
        while sent < bytes.count {
            let count = bytes[sent...].withUnsafeBytes { Foundation.send(links[link], $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
            try #require(count > 0)
            sent += count
        }
    }

    /// What the helper sent on the control link unasked.
    private(set) var announcements: [HelperReply] = []

    /// Waits for the next unasked message.
    func announcement() throws -> HelperReply {
        let before = announcements.count
        while announcements.count == before {
            if let frame = try receiveFrame(link: 0) { Issue.record("an answer without a question: \(frame)") }
        }
        return announcements[before]
    }

    func receive(link: Int = 0) throws -> (id: UInt32, reply: HelperReply) {
        while true { if let frame = try receiveFrame(link: link) { return frame } }
    }

    /// Nil for an unasked message.
    private func receiveFrame(link: Int) throws -> (id: UInt32, reply: HelperReply)? {
        while true {
            if let reply = try decoders[link].nextReply() {
                guard link == 0, reply.id == HelperReply.unasked else { return reply }
                announcements.append(reply.reply)
                return nil
            }
            var buffer = [UInt8](repeating: 0, count: 65_536)
            let count = recv(links[link], &buffer, buffer.count, 0)
            try #require(count > 0, "the helper closed the link or did not answer")
            buffer.withUnsafeBytes { decoders[link].append(UnsafeRawBufferPointer(rebasing: $0[..<count])) }
        }
    }

    func ask(_ request: HelperRequest, link: Int = 0) throws -> HelperReply {
        try send([(7, request)], link: link)
        let (id, reply) = try receive(link: link)
        #expect(id == 7)
        return reply
    }

    /// What a request failed with; nil if it did not fail.
    func failure(_ request: HelperRequest, link: Int = 0) throws -> TokenFailure? {
        if case .failure(let failure) = try ask(request, link: link) { failure } else { nil }
    }

    func hello(
        _ fixture: HelperFixture, module: String = HelperFixture.softHSM, uri: String? = nil, pinSource: String? = nil, pool: Int = 4,
        name: String = "unit"
    ) throws -> HelperReply {
        try ask(
            .hello(fixture.configuration(module: module, uri: uri, pinSource: pinSource, pool: pool, name: name)))
    }

    /// Opens the token and makes sure that it is open.
    func open(_ fixture: HelperFixture, module: String = HelperFixture.softHSM, pool: Int = 4) throws -> TokenInformation {
        let reply = try hello(fixture, module: module, pool: pool)
        guard case .ready(let information) = reply else {
            Issue.record("\(reply)")
            throw FixtureError()
        }
        return information
    }

    /// - Parameter id: As the daemon makes them: 16 bytes that nobody else has; the label's bytes by default.
    func generate(_ algorithm: KeyAlgorithm = .p256, label: String = "key", id: [UInt8]? = nil) throws -> TokenKey {
        let reply = try ask(.generate(label: label, id: id ?? Array(label.utf8), algorithm: algorithm))
        guard case .key(let key) = reply else {
            Issue.record("\(reply)")
            throw FixtureError()
        }
        return key
    }

    func signature(_ key: TokenKeyReference, _ mechanism: SigningMechanism = .ecdsa, _ input: [UInt8], link: Int = 1) throws -> [UInt8] {
        let reply = try ask(.sign(key, mechanism, input), link: link)
        guard case .signature(let signature) = reply else {
            Issue.record("\(reply)")
            throw FixtureError()
        }
        return signature
    }

    /// Closes the links, the control link first, and returns the exit status as waitpid does.
    func end() -> Int32 {
        for link in links { close(link) }
        links = []
        return wait()
    }

    /// Kills it, as in a crash, and waits until it is gone.
    func kill() {
        Foundation.kill(identifier, SIGKILL)
        _ = wait()
    }

    func wait() -> Int32 {
        var status: Int32 = 0
        waitpid(identifier, &status, 0)
        self.status = status
        return status
    }

    struct FixtureError: Error {}
}
