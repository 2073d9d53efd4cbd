import StrictJSON
import Varlink

/// A service that does what the tests want to see.
final class TestService: VarlinkService {
    typealias Peer = String

    static let text = """
        # For tests.
        interface org.example.test

        # Returns its parameter.
        method Echo(text: string) -> (text: string)
        # Is answered when the test releases it.
        method Hold(text: string) -> (text: string)
        # Returns several replies of this many bytes each. `politely`: only while the client keeps up.
        method Stream(count: int, size: int, politely: bool) -> (number: int, filling: string)
        method Refuse() -> ()
        error Refused (why: string)
        """

    let info = VarlinkServiceInfo(vendor: "Example", product: "Test", version: "1.0", url: "https://example.org")
    let interfaces: [VarlinkInterface]

    /// What has happened, in order.
    private(set) var log: [String] = []
    /// Calls of Hold that wait.
    private(set) var held: [(text: String, reply: VarlinkReplier)] = []
    private(set) var closeReasons: [VarlinkCloseReason] = []
    var onClose: ((VarlinkCloseReason) -> Void)?
    var onHold: (() -> Void)?
    var onCancel: (() -> Void)?
    var onWait: (() -> Void)?
    /// Replies that Stream has sent, and how often it had to wait.
    private(set) var streamed = 0
    private(set) var waits = 0

    init() throws {
        interfaces = [try VarlinkInterface(parsing: TestService.text)]
    }

    func connectionOpened(peer: String) { log.append("opened \(peer)") }

    func connectionClosed(peer: String, reason: VarlinkCloseReason) {
        log.append("closed \(peer)")
        closeReasons.append(reason)
        onClose?(reason)
    }

    func handle(_ call: VarlinkCall, peer: String, reply: VarlinkReplier) {
        log.append(call.method.memberName)
        do throws(JSONError) {
            switch call.method.memberName {
            case "Echo":
                try call.parameters.finish(known: ["text"])
                let text = try call.parameters.string("text")
                reply.succeed { $0.member("text", text) }
            case "Hold":
                held.append((try call.parameters.string("text"), reply))
                reply.onCancel { [weak self] in
                    self?.log.append("cancelled")
                    self?.onCancel?()
                }
                onHold?()
            case "Stream":
                let filling = String(repeating: "x", count: Int(try call.parameters.integer("size")))
                let politely = try call.parameters.bool("politely")
                let count = Int(try call.parameters.integer("count"))
                stream(1, to: count, filling, politely: politely, reply)
            case "Refuse": reply.fail(error: "org.example.test.Refused") { $0.member("why", "because") }
            default: reply.fail(.methodNotImplemented(call.method.description))
            }
        } catch {
            reply.fail(error)
        }
    }

    /// Answers the oldest waiting call.
    func release() {
        guard !held.isEmpty else { return }
        let (text, reply) = held.removeFirst()
        reply.succeed { $0.member("text", text) }
    }

    private func stream(_ first: Int, to last: Int, _ filling: String, politely: Bool, _ reply: VarlinkReplier) {
        for number in first..<max(first, last) {
            if politely, !reply.isWritable, reply.isOpen {
                waits += 1
                onWait?()
                return reply.onWritable { [weak self] in self?.stream(number, to: last, filling, politely: politely, reply) }
            }
            guard reply.next({ Self.write(number, filling, &$0) }) else { return log.append("stream ended at \(number)") }
            streamed += 1
        }
        reply.succeed { Self.write(last, filling, &$0) }
    }

    private static func write(_ number: Int, _ filling: String, _ writer: inout JSONWriter) {
        writer.member("number", number)
        writer.member("filling", filling)
    }
}
