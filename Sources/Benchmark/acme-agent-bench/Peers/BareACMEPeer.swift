import ACME
import ACMEClient
import Glibc
import JOSE

/// A lower bound for every client: only the requests of one issuance, from a warm process over a warm connection, with
/// a software key. No flow, no journal, no store; the order is polled every 5 ms.
final class BareACMEPeer: IssuanceClient {
    let name = "bare client"
    private let field: IssuanceField
    private let transport: AsyncHTTPTransport
    private let client: ACMEClient
    private let thumbprint: String

    private static let pollInterval: Duration = .milliseconds(5)
    /// Polls before giving up on an order: 60 s.
    private static let maximumPolls = 12_000

    init(field: IssuanceField) throws {
        self.field = field
        let transport = try AsyncHTTPTransport(trustRoots: .file(field.trust.oneRoot), userAgent: "acme-agent-bench/1")
        self.transport = transport
        let signer = try BareSigner()
        thumbprint = signer.publicKey.thumbprint
        let client = ACMEClient(directory: try ACMEURL(field.ca.directory), transport: transport, signer: signer)
        self.client = client
        try Blocking.run { _ = try await client.newAccount(NewAccount(termsOfServiceAgreed: true)) }
    }

    func stop() {
        let transport = transport
        try? Blocking.run { await transport.shutdown() }
    }

    /// The trust store was read when the connection was made.
    func issue(_ names: [String], trusting store: TrustStore) throws -> Issuance {
        let identifiers = try names.map { try Identifier(type: "dns", value: $0) }
        let (client, thumbprint, folder) = (client, thumbprint, field.webroot.challenges)
        let cpu = Clock.processor([getpid()]), began = Clock.seconds()
        try Blocking.run {
            client.allowParallelRequests(1 + names.count / 20)
            var order = try await client.newOrder(NewOrder(identifiers: identifiers))
            try await withThrowingTaskGroup(of: Void.self) { group in
                for url in order.value.authorizations {
                    group.addTask {
                        let challenges = try await client.authorization(url).value.challenges
                        guard let challenge = challenges.first(where: { $0.kind == .http01 }), let token = challenge.token else {
                            throw BenchError("the CA does not offer http-01")
                        }
                        let answer = KeyAuthorization(token: token, thumbprint: thumbprint)
                        try Files.write("\(folder)/\(token)", answer.text.utf8, mode: 0o644)
                        _ = try await client.respond(to: challenge.url)
                    }
                }
                try await group.waitForAll()
            }
            order = try await BareACMEPeer.poll(order, client) { $0.status != .pending }
            guard let finalize = order.value.finalize else { throw BenchError("the order has no finalize URL") }
            order = try await client.finalize(
                finalize, order: order.url, CertificateRequest(key: try KeyName("bare"), identifiers: identifiers))
            if order.value.status != .valid { order = try await BareACMEPeer.poll(order, client) { $0.status != .processing } }
            guard let certificate = order.value.certificate else { throw BenchError("no certificate: the order is \(order.value.status)") }
            _ = try await client.certificate(certificate)
        }
        return Issuance(wall: Clock.seconds() - began, cpu: Clock.processor([getpid()]) - cpu, memory: nil)
    }

    private static func poll(
        _ order: ACMEResource<Order>, _ client: ACMEClient, until isDone: (Order) -> Bool
    ) async throws -> ACMEResource<Order> {
        for _ in 0..<maximumPolls {
            try await Task.sleep(for: pollInterval)
            let now = try await client.order(order.url)
            if isDone(now.value) { return now }
        }
        throw BenchError("the order \(order.url) is still \(order.value.status)")
    }
}
