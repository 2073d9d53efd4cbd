import Glibc
import Measurement

/// Certificates from Pebble on the same machine, compared with other ACME clients and with a client that only sends the
/// requests.
final class IssuancePart {
    private let workshop: Workshop

    init(_ workshop: Workshop) { self.workshop = workshop }

    /// Other projects' clients.
    static let peers = ["uacme", "lego", "certbot"]

    func run(_ measure: (Plan) -> Void) throws {
        var plan = Plan()
        let field = try IssuanceField("pebble", workshop: workshop)
        defer { field.stop() }
        let agent = try AgentUnderTest("agent-issuance", AgentUnderTest.Settings(), workshop: workshop)
        defer { agent.stop() }
        let own = try AcmeAgentClient(agent: agent, field: field)
        let bare = try BareACMEPeer(field: field)
        defer { bare.stop() }
        var others: [(client: any IssuanceClient, repetitions: Int)] = []
        plan.optional("uacme") { _ in others.append((try UacmePeer(field: field), 3)) }
        plan.optional("lego") { _ in others.append((try LegoPeer(field: field), 1)) }
        plan.optional("certbot") { _ in others.append((try CertbotPeer(field: field), 1)) }

        for store in TrustStore.allCases {
            plan.probe("bare client, \(store.rawValue)") {
                try IssuancePart.figures("bare.\(store)", bare, names: 1, store, repetitions: 5, field)
            }
            plan.probe("acme-agent, \(store.rawValue)") {
                try IssuancePart.figures("own.\(store)", own, names: 1, store, repetitions: 5, field)
            }
            for (client, repetitions) in others {
                plan.probe("\(client.name), \(store.rawValue)") {
                    try IssuancePart.figures("\(client.name).\(store)", client, names: 1, store, repetitions: repetitions, field)
                }
            }
        }
        plan.probe("acme-agent, renewal") { try IssuancePart.renewals(own, field) }
        for (count, repetitions) in [(10, 5), (100, 3)] {
            for (figure, client) in [("bare", bare as any IssuanceClient), ("own", own)] {
                plan.probe("\(client.name), \(count) names") {
                    try IssuancePart.figures("\(figure).\(count)", client, names: count, .oneRoot, repetitions: repetitions, field)
                }
            }
        }
        plan.probe("acme-agent, \(IssuancePart.row) in a row") { try IssuancePart.inARow(own, field) }
        claims(&plan)
        measure(plan)
    }

    /// Number of issuances without a pause between them: enough to see a slow mode that occurs once in twenty.
    static let row = 50

    /// The medians of several issuances in a row: `.wall` (s), `.cpu` (s), `.memory` (MB), `.requests`.
    private static func figures(
        _ name: String, _ client: any IssuanceClient, names: Int, _ store: TrustStore, repetitions: Int, _ field: IssuanceField
    ) throws -> [String: Double] {
        var issuances: [Issuance] = [], requests: [Double] = []
        for _ in 0..<repetitions {
            let mark = try field.ca.mark()
            issuances.append(try client.issue(field.ca.freshNames(names), trusting: store))
            requests.append(Double(try field.ca.requests(since: mark)))
        }
        var figures: [String: Double] = [:]
        figures[name + ".wall"] = Statistics.median(issuances.map(\.wall))
        figures[name + ".cpu"] = Statistics.median(issuances.map(\.cpu))
        figures[name + ".memory"] = Statistics.median(issuances.compactMap(\.memory))
        // Not the median: no issuance may need more.
        figures[name + ".requests"] = requests.max()
        return figures
    }

    /// Renewals of one certificate: issuances without a new key.
    private static func renewals(_ client: AcmeAgentClient, _ field: IssuanceField) throws -> [String: Double] {
        let name = field.ca.freshNames()[0]
        _ = try client.issue([name], trusting: .oneRoot)
        let renewals = try (0..<5).map { _ in try client.renew(name) }
        return ["renewal.wall": Statistics.median(renewals.map(\.wall)) ?? 0, "renewal.cpu": Statistics.median(renewals.map(\.cpu)) ?? 0]
    }

    private static func inARow(_ client: any IssuanceClient, _ field: IssuanceField) throws -> [String: Double] {
        var walls: [Double] = []
        let mark = try field.ca.mark()
        for _ in 0..<row { walls.append(try client.issue(field.ca.freshNames(), trusting: .oneRoot).wall) }
        let requests = try field.ca.requests(since: mark)
        guard let median = Statistics.median(walls), let slowest = walls.max() else { return [:] }
        return ["row.median": median, "row.slowest": slowest, "row.requests": Double(requests) / Double(row)]
    }
}
