import CFuzzer

/// A reader of bytes that are not trusted, and what must be true of them and of what it reads.
///
/// A target asserts more than that nothing traps: that what is read can be written and read again, that there is one
/// form of it, or that two readers agree. `run` adds bounds of time.
public struct FuzzTarget: Sendable {
    /// Its name on the command line, and of its folder in Tests/Fuzz/Corpus.
    public let name: String
    /// Bytes of the longest input.
    public let longest: Int
    /// What occurs in inputs, for mutations.
    public let tokens: [[UInt8]]
    /// Inputs that are accepted, made by the program's own writers. The corpus has more.
    public let seeds: @Sendable () throws -> [[UInt8]]
    private let check: @Sendable ([UInt8]) throws -> Bool

    /// - Parameters:
    ///   - binary: Tokens that are no text.
    ///   - check: Whether the input was accepted. Throws a `Finding`; any other error counts as one.
    init(
        _ name: String, longest: Int = 4_096, tokens: [String] = [], binary: [[UInt8]] = [],
        seeds: @escaping @Sendable () throws -> [[UInt8]],
        check: @escaping @Sendable ([UInt8]) throws -> Bool
    ) {
        self.name = name
        self.longest = longest
        self.tokens = tokens.map { Array($0.utf8) } + binary
        self.seeds = seeds
        self.check = check
    }

    /// CPU time that an input may take, in nanoseconds: a debug build needs a few milliseconds for most, and what grows
    /// with the square of the length needs far more.
    static let patience: UInt64 = 1_000_000_000

    /// Gives the reader an input.
    /// - Returns: Whether it was accepted.
    /// - Throws: `Finding`.
    public func run(_ input: [UInt8]) throws(Finding) -> Bool {
        let start = cfuzzer_cpu_time()
        let isAccepted: Bool
        do { isAccepted = try check(input) } catch let finding as Finding {
            throw finding
        } catch {
            throw Finding("an error that no reader should throw: \(error)")
        }
        let time = cfuzzer_cpu_time() - start
        guard time <= FuzzTarget.patience else { throw Finding("\(input.count) bytes took \(time / 1_000_000) ms") }
        return isAccepted
    }

    /// All of them, in the order in which they are listed.
    public static let all: [FuzzTarget] = [
        .json, .frame, .call, .providerJSON, .toml, .configuration, .name, .url, .time, .handshake, .clientHello, .tokenURI,
        .helperRequest, .helperReply, .acmeDocument, .header, .key, .certificate, .revocationList, .dnsMessage, .dnsText, .journal,
        .keyEntry, .backup, .trailLine, .trail,
    ]
}

/// What an input has shown to be wrong.
public struct Finding: Error, Hashable, Sendable, CustomStringConvertible {
    public let description: String
    init(_ description: String) { self.description = description }
}

/// - Throws: a `Finding` unless the condition holds.
func expect(_ condition: Bool, _ message: @autoclosure () -> String) throws {
    guard condition else { throw Finding(message()) }
}

/// Runs what may not fail here.
/// - Throws: a `Finding` in place of its error.
func must<Value>(_ what: @autoclosure () -> String, _ body: () throws -> Value) throws -> Value {
    do { return try body() } catch let finding as Finding { throw finding } catch { throw Finding("\(what()): \(error)") }
}

extension [UInt8] {
    /// The first line, which says how the rest is meant, and the rest.
    var headed: (head: String, rest: [UInt8])? {
        guard let end = firstIndex(of: UInt8(ascii: "\n")) else { return nil }
        return (String(decoding: self[..<end], as: UTF8.self), Array(self[(end + 1)...]))
    }

    /// An input for `headed`.
    static func headed(_ head: String, _ rest: some Sequence<UInt8>) -> [UInt8] { Array(head.utf8) + [UInt8(ascii: "\n")] + rest }
}
