import StrictJSON
import Varlink

/// The service to run other implementations' certification clients against.
final class CertificationService: VarlinkService {
    typealias Peer = VarlinkPeerCredentials

    /// Clients that have started and not ended; beyond this number, the oldest are dropped.
    private static let maximumClients = 1000

    let info = VarlinkServiceInfo(vendor: "acme-agent", product: "Varlink certification", version: "1", url: "https://varlink.org")
    let interfaces: [VarlinkInterface]
    private var nextMethod: [String: String] = [:]
    private var clients: [String] = []

    init() throws {
        interfaces = [try VarlinkInterface(parsing: certificationInterface)]
    }

    func handle(_ call: VarlinkCall, peer: VarlinkPeerCredentials, reply: VarlinkReplier) {
        let method = call.method.memberName
        do {
            if method == "Start" {
                try call.parameters.finish(known: [])
                let client = start()
                return reply.succeed { $0.member("client_id", client) }
            }
            let client = try call.parameters.string("client_id")
            guard let expected = nextMethod[client] else { return reply.fail(error: error("ClientIdError")) { _ in } }
            guard expected == method, let members = CertificationSteps.parameters(of: method) else {
                return refuse(client, wants: "{\"method\":\"\(CertificationSteps.interface).\(expected)\"}", call, reply)
            }
            let wanted = "{\"client_id\":\"\(client)\"" + (members.isEmpty ? "" : ",") + members + "}"
            let flagsFit = call.wantsMore == (method == "Test10") && call.isOneway == (method == "Test11")
            guard flagsFit, try CanonicalJSON.text(of: call.parameters) == CanonicalJSON.text(of: wanted) else {
                return refuse(client, wants: wanted, call, reply)
            }
            advance(client, from: method)
            answer(method, reply)
        } catch let error as JSONError {
            reply.fail(error)
        } catch {
            reply.fail(.invalidParameter("client_id"))
        }
    }

    private func answer(_ method: String, _ reply: VarlinkReplier) {
        guard method == "Test10" else {
            return reply.succeed(parameters: Array("{\(CertificationSteps.replies[method] ?? "")}".utf8))
        }
        for number in 1..<CertificationSteps.replyCount { reply.next { $0.member("string", "Reply number \(number)") } }
        reply.succeed { $0.member("string", "Reply number \(CertificationSteps.replyCount)") }
    }

    private func start() -> String {
        let client = String(UInt64.random(in: .min ... .max), radix: 16) + String(UInt64.random(in: .min ... .max), radix: 16)
        if clients.count == CertificationService.maximumClients { nextMethod[clients.removeFirst()] = nil }
        clients.append(client)
        nextMethod[client] = "Test01"
        return client
    }

    private func advance(_ client: String, from method: String) {
        let next = CertificationSteps.methods.drop { $0 != method }.dropFirst().first
        nextMethod[client] = next
        if next == nil { clients.removeAll { $0 == client } }
    }

    private func refuse(_ client: String, wants: String, _ call: VarlinkCall, _ reply: VarlinkReplier) {
        nextMethod[client] = nil
        clients.removeAll { $0 == client }
        reply.fail(error: error("CertificationError")) { writer in
            writer.member("wants", raw: wants.utf8)
            writer.name("got")
            writer.beginObject()
            writer.member("method", call.method.description)
            writer.member("parameters", raw: call.parameters.source)
            writer.endObject()
        }
    }

    private func error(_ name: String) -> String { "\(CertificationSteps.interface).\(name)" }
}
