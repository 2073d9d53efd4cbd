import NIOCore
import StrictJSON

/// What a server keeps about its service: the interfaces, the prepared standard replies, and reused memory for parsing
/// and writing.
///
/// One for all connections of a server; confined to the server's event loop.
public final class VarlinkServiceDirectory {
    private struct Entry {
        let name: [UInt8]
        let methods: [[UInt8]]
        /// The reply's parameters to GetInterfaceDescription.
        let description: [UInt8]
    }

    private let entries: [Entry]
    private let information: [UInt8]
    private var writer = JSONWriter()
    private var document = JSONDocument.emptyObject
    /// Connections with a scheduled round, and those whose rounds are running; the second array is kept for its memory.
    private var rounds: [VarlinkServerHandler] = []
    private var roundsRunning: [VarlinkServerHandler] = []
    private var areRoundsDue = false
    /// Whose turn it is, and who must wait for room.
    let schedule: ServerSchedule
    /// Parses long messages, if present.
    let thread: TurnThread?
    /// Records the time of calls, for the benchmark.
    package var latency: VarlinkLatency?

    /// - Parameters:
    ///   - rounds: Counts the rounds of the connections' loop; without it, a round is a millisecond.
    ///   - thread: Parses long messages; without it, they are parsed on the loop.
    public init(
        info: VarlinkServiceInfo, interfaces: [VarlinkInterface], limits: VarlinkServerLimits = VarlinkServerLimits(),
        rounds: LoopRounds? = nil, thread: TurnThread? = nil
    ) {
        self.schedule = ServerSchedule(limits: limits, rounds: rounds)
        self.thread = thread
        let all = [VarlinkInterface.service] + interfaces
        self.entries = all.map { interface in
            var writer = JSONWriter(reservingCapacity: interface.text.utf8.count + 64)
            writer.beginObject()
            writer.member("description", interface.text)
            writer.endObject()
            return Entry(
                name: Array(interface.name.utf8), methods: interface.methods.map { Array($0.name.utf8) }, description: writer.bytes)
        }
        var writer = JSONWriter()
        writer.beginObject()
        writer.member("vendor", info.vendor)
        writer.member("product", info.product)
        writer.member("version", info.version)
        writer.member("url", info.url)
        writer.member("interfaces", all.map(\.name))
        writer.endObject()
        self.information = writer.bytes
    }

    public convenience init(
        _ service: some VarlinkService, limits: VarlinkServerLimits = VarlinkServerLimits(), rounds: LoopRounds? = nil,
        thread: TurnThread? = nil
    ) {
        self.init(info: service.info, interfaces: service.interfaces, limits: limits, rounds: rounds, thread: thread)
    }

    /// What to do with a call.
    enum Route {
        /// The service knows the method.
        case service
        /// The server answers, with these parameters.
        case reply([UInt8])
        case refuse(VarlinkError)
    }

    func route(_ call: VarlinkCall) -> Route {
        let method = call.method
        let interface = method.interface, member = method.member
        // By index: copying an entry would cost reference counting for every call.
        for index in entries.indices where interface.isSame(as: entries[index].name) {
            for method in entries[index].methods.indices where member.isSame(as: entries[index].methods[method]) {
                return index == 0 ? standardReply(to: call) : .service
            }
            return .refuse(.methodNotFound(method.description))
        }
        return .refuse(.interfaceNotFound(method.interfaceName))
    }

    /// The reply to a call of `org.varlink.service`, whose entry is the first.
    private func standardReply(to call: VarlinkCall) -> Route {
        do throws(JSONError) {
            if call.method.memberName == "GetInfo" {
                try call.parameters.finish(known: [])
                return .reply(information)
            }
            try call.parameters.finish(known: ["interface"])
            let wanted = try call.parameters.required("interface").utf8("interface")
            guard let described = entries.first(where: { wanted.elementsEqual($0.name) }) else {
                return .refuse(.interfaceNotFound(String(decoding: wanted, as: UTF8.self)))
            }
            return .reply(described.description)
        } catch {
            return .refuse(.invalidParameter(error))
        }
    }

    /// Writes one object with the shared writer.
    func withWriter<Result>(_ members: (inout JSONWriter) -> Void, _ body: ([UInt8]) -> Result) -> Result {
        // Taken out while other code runs: a closure that answers another call meanwhile finds a fresh writer instead
        // of a conflict.
        var taken = JSONWriter(reservingCapacity: 0)
        swap(&taken, &writer)
        taken.removeAll()
        taken.beginObject()
        members(&taken)
        taken.endObject()
        defer { if taken.bytes.capacity <= VarlinkServiceDirectory.keptCapacity { swap(&taken, &writer) } }
        return body(taken.bytes)
    }

    /// Parses a call into the shared memory. If a service keeps a call beyond its answer, it keeps that memory, and the
    /// next call gets new memory.
    func withDocument<Result>(_ body: (inout JSONDocument) -> Result) -> Result {
        defer { if document.capacity > VarlinkServiceDirectory.keptCapacity { document = .emptyObject } }
        return body(&document)
    }

    /// Runs a connection's round after the code running now. The rounds of many connections share one task on the loop.
    func scheduleRound(of connection: VarlinkServerHandler) {
        rounds.append(connection)
        guard !areRoundsDue else { return }
        areRoundsDue = true
        connection.eventLoop.assumeIsolated().execute { self.runRounds() }
    }

    /// Runs the rounds that `body` makes necessary at its end, without a task on the loop.
    func together(_ body: () -> Void) {
        // A run is already scheduled or under way.
        guard !areRoundsDue, roundsRunning.isEmpty else { return body() }
        areRoundsDue = true
        body()
        runRounds()
    }

    private func runRounds() {
        areRoundsDue = false
        // A round scheduled by one of these runs in the next task.
        swap(&rounds, &roundsRunning)
        for connection in roundsRunning { connection.runRound(isTurn: false) }
        roundsRunning.removeAll(keepingCapacity: true)
    }

    /// Capacity that the writer keeps between replies and the document between calls, in bytes.
    private static let keptCapacity = 64 * 1024
}
