/// A TXT record's place: its name, its zone, and the servers that take updates of the zone.
public struct TextRecord: Hashable, Sendable {
    /// After aliases.
    public var name: DomainName
    public var zone: DomainName
    /// In the order in which they are tried.
    public var primaries: [DNSServer]
}

extension TextRecord {
    /// `NAME ZONE SERVER[,SERVER]…`, as `init(text:)` reads it.
    public var text: String { "\(name) \(zone) \(primaries.map(\.description).joined(separator: ","))" }

    /// - Returns: `nil` if it is not such a text.
    public init?(text: String) {
        let parts = text.split(separator: " ", omittingEmptySubsequences: false).map(String.init)
        guard parts.count == 3, let name = try? DomainName(parts[0]), let zone = try? DomainName(parts[1]), name.isWithin(zone) else {
            return nil
        }
        var servers: [DNSServer] = []
        for part in parts[2].split(separator: ",") {
            guard let server = DNSServerName(String(part)), case .address(let address) = server.host else { return nil }
            servers.append(DNSServer(address, port: server.port))
        }
        guard !servers.isEmpty else { return nil }
        self.init(name: name, zone: zone, primaries: servers)
    }
}

extension DNSLookup {
    /// Finds the place of a record.
    /// - Parameter primary: takes the updates; `nil` for the one that the zone names.
    public func record(_ name: DomainName, primary: DNSServerName?) async throws -> TextRecord {
        let target = try await target(of: name)
        let zone = try await zone(of: target)
        let primaries = if let primary { try await addresses(of: primary) } else { try await addresses(of: zone.primary) }
        return TextRecord(name: target, zone: zone.name, primaries: primaries)
    }

    /// Adds a TXT record with a value; those with other values stay, and one with this value stays one.
    /// - Returns: the server that has it now.
    @discardableResult
    public func add(_ value: [UInt8], ttl: UInt32, to record: TextRecord, _ key: TSIGKey?, time: Int64) async throws -> DNSServer {
        try await update(record, .add(ttl: ttl), DNSRequest.strings(value), key, time)
    }

    /// Removes the TXT record with exactly that value, if there is one.
    public func remove(_ value: [UInt8], from record: TextRecord, _ key: TSIGKey?, time: Int64) async throws {
        try await update(record, .remove, DNSRequest.strings(value), key, time)
    }

    /// Removes the TXT record with exactly these strings, if there is one.
    public func remove(strings: [[UInt8]], from record: TextRecord, _ key: TSIGKey?, time: Int64) async throws {
        try await update(record, .remove, strings, key, time)
    }

    /// Tries the next address only if there was no answer: what a server has refused, it refuses at each address.
    @discardableResult
    private func update(
        _ record: TextRecord, _ change: DNSRequest.Change, _ strings: [[UInt8]], _ key: TSIGKey?, _ time: Int64
    ) async throws -> DNSServer {
        var failure: DNSError?
        for server in record.primaries {
            do {
                let request = try DNSRequest(zone: record.zone, change, record.name, strings: strings)
                try await client.update(server, request, key, time: time)
                return server
            } catch let error as DNSError {
                failure = failure ?? error
                switch error {
                case .unreachable, .noAnswer, .unreadable: continue
                default: throw error
                }
            }
        }
        throw failure ?? DNSError.noServers(zone: record.zone)
    }

    /// What one server of the zone says about a value.
    public enum Sight: Hashable, Sendable {
        case shown
        case lacking
        /// In words.
        case failed(String)
        /// This host has no way to an address of that kind (no IPv6, for example), so nothing is known.
        case unreachable
    }

    /// Asks a server of the zone itself whether it has the value.
    public func look(for value: [UInt8], at name: DomainName, on server: DNSServer) async throws -> Sight {
        do {
            let answer = try await client.ask(server, .init(name, .txt), isRecursive: false)
            guard answer.code == .success || answer.code == .noSuchName else { return .failed("answered \(answer.code)") }
            guard answer.isAuthoritative else { return .failed("is not a server of the zone") }
            return answer.contents(of: name).contains(.text(value)) ? .shown : .lacking
        } catch let error as DNSError {
            switch error {
            case .unreachable(_, _, isLocal: true): return .unreachable
            case .unreachable(_, let reason, _): return .failed(reason)
            case .noAnswer: return .failed("did not answer")
            default: return .failed("sent something that is not a DNS answer")
            }
        }
    }

    /// The values of the TXT records of a name, as the first server of its zone that answers has them.
    public func currentTexts(of name: DomainName) async throws -> [[UInt8]] {
        let target = try await target(of: name)
        let zone = try await zone(of: target).name
        var failure: any Error = DNSError.noServers(zone: zone)
        for server in try await servers(of: zone).prefix(Self.mostAsked) {
            do {
                let answer = try await client.ask(server.server, .init(target, .txt), isRecursive: false)
                guard answer.isAuthoritative else { continue }
                return answer.contents(of: target).compactMap { if case .text(let text) = $0 { text } else { nil } }
            } catch let error as DNSError { failure = error }
        }
        throw failure
    }

    /// The strings of each TXT record of a name, as one server of its zone has them.
    public func strings(of name: DomainName, on server: DNSServer) async throws -> [[[UInt8]]] {
        let question = DNSMessage.Question(name, .txt)
        let answer = try await client.ask(server, question, isRecursive: false)
        guard answer.isAuthoritative, answer.code == .success || answer.code == .noSuchName else {
            throw DNSError.refused(server, question, answer.code == .success ? .notAuthoritative : answer.code)
        }
        return answer.answers.filter { record in
            if case .text = record.content { record.name == name } else { false }
        }.map(\.strings)
    }

    /// Servers that are asked until one answers.
    private static let mostAsked = 4

    /// The values of the TXT records of a name, as resolvers see them.
    public func texts(of name: DomainName) async throws -> [[UInt8]] {
        try await resolve(.init(name, .txt)).answers.compactMap { if case .text(let text) = $0.content { text } else { nil } }
    }
}
