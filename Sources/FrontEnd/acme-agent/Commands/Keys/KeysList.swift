import ACME
import AgentInterface
import ArgumentParser
import CertificateStore

struct KeysList: AgentCommand {
    static let stateUse = StateUse.none
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "List the keys that the agent's policy lets you use.",
        discussion: """
            A key that another one has replaced in a certificate of yours is "outgoing": it stays active for a while, for \
            servers that have not loaded the new certificate yet.

            Example: acme-agent keys list
            """)

    @OptionGroup var options: GlobalOptions

    func run(_ session: Session) async throws -> ExitStatus {
        let agent = try await session.agent()
        let keys = try await agent.keys()
        let damaged = try await agent.status().problems.filter { $0.what == "key" }
        if keys.isEmpty, damaged.isEmpty {
            session.output.note("no keys: there is none yet, or no grant gives you one (acme-agent status)")
        }
        let outgoing = await outgoing(keys, session)
        var table = TextTable(["NAME", "USAGE", "ALGORITHM", "STATE", "TLS", "TOKEN", "CREATED"])
        for key in keys {
            let isOutgoing = outgoing.contains { $0.key.name == key.name }
            let state =
                key.state.rawValue + (isOutgoing ? ", outgoing" : "")
                + (key.weaknesses.map { $0.isEmpty ? "" : ", weak" } ?? ", weakness unknown")
            table.add(
                [
                    key.name.rawValue, key.usage.rawValue, key.algorithm.rawValue, state, key.handshakeWords ?? "-", key.token,
                    String(key.created.prefix(10)),
                ])
        }
        for key in damaged { table.add([key.name, "-", "-", "damaged", "-", "-", "-"]) }
        for key in damaged { session.output.note("\(key.name) is off: \(key.message)") }
        for key in outgoing {
            let time = "\(RFC3339.string(key.due)) (\(Wording.moment(key.due, from: Session.now)))"
            session.output.note(
                "\(key.key.name) was replaced as the key of \(key.certificate): the first `acme-agent renew` after \(time) "
                    + (key.fate == .retire ? "retires it" : "deletes it"))
        }
        try session.output.result(keys.isEmpty && damaged.isEmpty ? "" : table.text) { json in
            json.name("keys")
            json.beginArray()
            for key in keys { key.write(to: &json) }
            json.endArray()
            json.member("weaknessesUnknown", keys.filter { $0.weaknesses == nil }.map(\.name.rawValue))
            json.name("outgoing")
            json.beginArray()
            for key in outgoing {
                json.beginObject()
                json.member("name", key.key.name.rawValue)
                json.member("certificate", key.certificate.rawValue)
                json.member("fate", key.fate.rawValue)
                json.member("due", RFC3339.string(key.due))
                json.endObject()
            }
            json.endArray()
            json.name("damaged")
            json.beginArray()
            for key in damaged {
                json.beginObject()
                json.member("name", key.name)
                json.member("message", key.message)
                json.endObject()
            }
            json.endArray()
        }
        return .success
    }

    /// Those of the keys that this user's certificates no longer use and that are still active, by name.
    private func outgoing(_ keys: [KeyDescription], _ session: Session) async -> [OutgoingKey] {
        let active = Dictionary(
            keys.filter { $0.state == .active }.map { ($0.fingerprint, $0.name) }, uniquingKeysWith: { first, _ in first })
        do throws(StoreError) {
            // Another key may have got the name since.
            return try await session.store.outgoingKeys { session.output.warning("the record of a replaced key cannot be read: \($0)") }
                .filter { active[$0.key.fingerprint] == $0.key.name }.sorted { $0.key.name < $1.key.name }
        } catch {
            // The agent's keys are listed all the same.
            session.output.warning("which keys were replaced cannot be read: \(error)")
            return []
        }
    }
}
