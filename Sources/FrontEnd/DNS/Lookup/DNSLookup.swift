import ACME

/// A zone, and the name of its primary server (RFC 1035 §3.3.13).
public struct DNSZone: Hashable, Sendable {
    public var name: DomainName
    public var primary: DomainName
}

/// A server of a zone, by name and address.
public struct ZoneServer: Hashable, Sendable, CustomStringConvertible {
    public var name: DomainName
    public var server: DNSServer

    public var description: String { "\(name) (\(server))" }
}

/// Finds out by resolvers where a record is kept. Every name in an answer is used only as what it was asked for: a zone
/// must contain the name that was asked for, an alias must be the alias of exactly that name.
public struct DNSLookup: Sendable {
    /// As many as BIND follows (`max-recursion-queries` and CNAME chains stop well before any real set-up).
    static let mostAliases = 16
    /// Names and addresses of a zone's servers; 13 names are usual at most.
    static let mostServers = 64
    /// Names that are looked up at the same time.
    private static let atATime = 8

    let client: DNSClient
    public let resolvers: [DNSServer]
    /// The port of servers that are found by name.
    public let port: Int

    public init(resolvers: [DNSServer], port: Int = DNSServer.standardPort) {
        self.init(client: DNSClient(), resolvers: resolvers, port: port)
    }

    init(client: DNSClient, resolvers: [DNSServer], port: Int = DNSServer.standardPort) {
        self.client = client
        self.resolvers = resolvers
        self.port = port
    }

    /// The answer of the first resolver that has one. Each is asked once before the first is asked again: one that is
    /// down costs each question a second.
    func resolve(_ question: DNSMessage.Question) async throws -> DNSMessage {
        var failures: [DNSServer: DNSError] = [:]
        for limit in client.datagramLimits {
            // A failure other than silence stays.
            for resolver in resolvers where failures[resolver].map(\.isSilence) ?? true {
                do {
                    let answer = try await client.ask(resolver, question, isRecursive: true, limits: [limit])
                    if answer.code == .success || answer.code == .noSuchName { return answer }
                    throw DNSError.refused(resolver, question, answer.code)
                } catch let error as DNSError { failures[resolver] = error }
            }
        }
        // The first one is the one that an administrator expects to work.
        throw resolvers.first.flatMap { failures[$0] } ?? DNSError.noResolver
    }

    /// The name where the record is in the end: a CNAME delegates a challenge to another zone (RFC 8555 §11.1 has the
    /// reasons for that).
    public func target(of name: DomainName) async throws -> DomainName {
        var current = name
        var seen: Set<DomainName> = [name]
        for _ in 0..<Self.mostAliases {
            let contents = try await resolve(.init(current, .cname)).contents(of: current)
            let next = contents.compactMap { if case .alias(let alias) = $0 { alias } else { nil } }.first
            guard let next else { return current }
            guard seen.insert(next).inserted else { break }
            if try await isSynthesised(next, of: current) { return current }
            current = next
        }
        throw DNSError.aliases(name)
    }

    /// Whether a name has its alias only from a wildcard (RFC 4592), as every other name there: then nobody has delegated
    /// it, and a record of its own takes the wildcard's place.
    private func isSynthesised(_ alias: DomainName, of name: DomainName) async throws -> Bool {
        let label = String(UInt64.random(in: (1 << 59)...(1 << 60 - 1)), radix: 32)
        // A name that would be too long has no wildcard beside it that matters here.
        guard let parent = name.parent, !parent.isRoot, let other = try? DomainName("\(label).\(parent)") else { return false }
        return try await resolve(.init(other, .cname)).contents(of: other).contains(.alias(alias))
    }

    /// The zone that a name is in: the name itself or the closest one above it that has an SOA record.
    public func zone(of name: DomainName) async throws -> DNSZone {
        var candidate: DomainName? = name
        while let current = candidate, !current.isRoot {
            let answer = try await resolve(.init(current, .soa))
            // For a name within a zone, servers send the zone's SOA record with the negative answer (RFC 2308 §3).
            for record in answer.answers + answer.authorities {
                guard case .authority(let primary) = record.content, current.isWithin(record.name), !record.name.isRoot else { continue }
                return DNSZone(name: record.name, primary: primary)
            }
            candidate = current.parent
        }
        throw DNSError.noZone(name)
    }

    /// Every address of every server of the zone, each once.
    public func servers(of zone: DomainName) async throws -> [ZoneServer] {
        let names = try await resolve(.init(zone, .ns)).contents(of: zone).compactMap { content -> DomainName? in
            if case .nameServer(let name) = content { name } else { nil }
        }
        let distinct = names.reduce(into: [DomainName]()) {
            if $0.count > Self.mostServers || $0.contains($1) { return } else { $0.append($1) }
        }
        guard distinct.count <= Self.mostServers else { throw DNSError.tooManyServers(zone: zone, names.count) }
        let found = await Concurrently.map(distinct, atATime: Self.atATime) { name -> Result<[ZoneServer], any Error> in
            do { return .success(try await addresses(of: name).map { ZoneServer(name: name, server: $0) }) } catch {
                return .failure(error)
            }
        }
        try Task.checkCancellation()
        var seen: Set<DNSServer> = []
        let servers = found.flatMap { (try? $0.get()) ?? [] }.filter { seen.insert($0.server).inserted }
        if servers.isEmpty {
            // That resolvers did not answer says nothing about the zone.
            for case .failure(let error as DNSError) in found where error.isPassing { throw error }
            throw DNSError.noServers(zone: zone)
        }
        guard servers.count <= Self.mostServers else { throw DNSError.tooManyServers(zone: zone, servers.count) }
        return servers
    }

    /// IPv4 before IPv6.
    func addresses(of name: DomainName, port: Int? = nil) async throws -> [DNSServer] {
        var found: [DNSServer] = []
        var failure: DNSError?
        for type in [RecordType.a, .aaaa] {
            do {
                // The resolver follows an alias: its target's addresses are those of the name.
                for case .address(let address) in try await resolve(.init(name, type)).answers.map(\.content) {
                    found.append(DNSServer(address, port: port ?? self.port))
                }
            } catch let error as DNSError { failure = failure ?? error }
        }
        if found.isEmpty, let failure { throw failure }
        guard !found.isEmpty else { throw DNSError.noAddress(name) }
        return found
    }

    /// The addresses of a server that a user named.
    public func addresses(of server: DNSServerName) async throws -> [DNSServer] {
        switch server.host {
        case .address(let address): [DNSServer(address, port: server.port)]
        case .name(let name) where "\(name)" == "localhost":
            // RFC 6761 §6.3: this is not asked of servers.
            try ["127.0.0.1", "::1"].map { DNSServer(try IPAddress($0), port: server.port) }
        case .name(let name): try await addresses(of: name, port: server.port)
        }
    }
}

/// Concurrent work within bounds.
enum Concurrently {
    /// The results, in the elements' order.
    static func map<Element: Sendable, Result: Sendable>(
        _ elements: [Element], atATime limit: Int, _ body: @escaping @Sendable (Element) async -> Result
    ) async -> [Result] {
        await withTaskGroup(of: (Int, Result).self) { group in
            var next = 0
            var results: [(Int, Result)] = []
            func start() {
                guard next < elements.count else { return }
                let (index, element) = (next, elements[next])
                group.addTask { (index, await body(element)) }
                next += 1
            }
            for _ in 0..<limit { start() }
            for await result in group {
                results.append(result)
                start()
            }
            return results.sorted { $0.0 < $1.0 }.map(\.1)
        }
    }
}
