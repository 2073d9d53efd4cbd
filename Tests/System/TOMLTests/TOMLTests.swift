import TOML
import Testing

@Suite("TOML 1.0.0")
struct TOMLTests {
    @Test("Valid documents are read as the specification says", arguments: ValidDocuments.all)
    func valid(text: String, value: String) throws {
        // Bytes: two encodings of a letter differ here.
        #expect(Array(shown(try TOML.parse(Array(text.utf8))).utf8) == Array(value.utf8))
    }

    @Test("Invalid documents are refused with line and column", arguments: InvalidDocuments.all)
    func invalid(text: String, line: Int, column: Int) {
        expectRefusal(Array(text.utf8), line, column)
    }

    @Test("Invalid UTF-8 is refused at its position", arguments: InvalidDocuments.bytes)
    func notUTF8(bytes: [UInt8], line: Int, column: Int) {
        expectRefusal(bytes, line, column)
    }

    private func expectRefusal(_ bytes: [UInt8], _ line: Int, _ column: Int) {
        do throws(TOMLError) {
            Issue.record("was read as \(shown(try TOML.parse(bytes)))")
        } catch {
            #expect(error.position == TOMLPosition(line: line, column: column), "\(error)")
            #expect(!error.message.isEmpty)
        }
    }

    @Test("Keys, values, headers and elements have their position; a column is a scalar, not a byte")
    func positions() throws {
        let table = try TOML.parse(Array("a = 1\r\n\n\"é\" =  [ 'x',\n  'y' ]\n [b.c]\nd.e = 2\n[[f]]\n[[f]]\ng = { h = 3 }\n".utf8))
        func position(_ line: Int, _ column: Int) -> TOMLPosition { TOMLPosition(line: line, column: column) }
        #expect(table["a"]?.position == position(1, 1) && table["a"]?.node.position == position(1, 5))
        #expect(table["é"]?.position == position(3, 1) && table["é"]?.node.position == position(3, 8))
        guard case .array(let elements)? = table["é"]?.node.value, case .table(let b)? = table["b"]?.node.value,
            case .table(let c)? = b["c"]?.node.value, case .table(let d)? = c["d"]?.node.value,
            case .array(let f)? = table["f"]?.node.value,
            case .table(let last)? = f.last?.value, case .table(let g)? = last["g"]?.node.value
        else {
            Issue.record("read as \(shown(table))")
            return
        }
        #expect(elements.map(\.position) == [position(3, 10), position(4, 3)])
        #expect(b.position == position(5, 3) && c.position == position(5, 2) && d["e"]?.position == position(6, 3))
        #expect(f.map(\.position) == [position(7, 1), position(8, 1)])
        #expect(last.position == position(8, 1) && g.position == position(9, 5) && g["h"]?.position == position(9, 7))
    }

    @Test("Depth is bounded for arrays, inline tables, dotted keys, headers and mixtures of them, far from the stack's end")
    func depth() throws {
        func count(_ text: String, _ count: Int) -> String { String(repeating: text, count: count) }
        func document(_ kind: Int, _ depth: Int) -> String {
            switch kind {
            case 0: "a = " + count("[", depth) + count("]", depth)
            case 1: "a = " + count("{b = ", depth) + "1" + count("}", depth)
            case 2: count("a.", depth) + "b = 1"
            case 3: "[" + count("a.", depth - 1) + "b]"
            case 4: "[[" + count("a.", depth - 2) + "b]]"
            default: count("a.", depth / 2) + "b = " + count("[", depth - depth / 2) + count("]", depth - depth / 2)
            }
        }
        for kind in 0...5 {
            #expect(throws: Never.self, "kind \(kind)") { try TOML.parse(Array(document(kind, 64).utf8)) }
            for depth in [65, 100_000] {
                #expect(throws: TOMLError.self, "kind \(kind), depth \(depth)") { try TOML.parse(Array(document(kind, depth).utf8)) }
            }
        }
    }

    @Test("Size is bounded, and a document of that size is read quickly, whatever it repeats")
    func size() throws {
        let limits = TOMLLimits()
        #expect(throws: TOMLError.self) { try TOML.parse([UInt8](repeating: 0x0A, count: limits.size + 1)) }
        let clock = ContinuousClock()
        for unit in ["[[a]]\n", "[[a]]\n[a.b]\nc=1\n", "a%=1\n", "[a%.b]\n", "a.b%=1\n", "#\n", "\n"] {
            var text: [UInt8] = [], number = 0
            while text.count < 200_000 {
                text += Array(unit.utf8).flatMap { $0 == UInt8(ascii: "%") ? Array(String(number).utf8) : [$0] }
                number += 1
            }
            let time = try clock.measure { _ = try TOML.parse(text) }
            // A reader that copies its arrays would take minutes; this one takes a few hundred milliseconds in a debug
            // build.
            #expect(time < .seconds(20), "\(unit): \(time)")
        }
        let inline = "a = {" + (0..<20_000).map { "a\($0) = 1" }.joined(separator: ", ") + "}"
        #expect(try clock.measure { _ = try TOML.parse(Array(inline.utf8)) } < .seconds(20))
    }

    @Test("A randomly changed document is read, or refused with a position in its text, and never traps")
    func mutations() {
        var random = Repeatable(state: 0x5EED)
        let seeds = ValidDocuments.all.map { Array($0.text.utf8) } + InvalidDocuments.all.map { Array($0.text.utf8) }
        let pieces = [
            "\"\"\"", "'''", "[[", "]]", "{", "}", "\\", "\\U", "\r", "\n", ".", ",", "=", "_", "0x", "e", "-", "+", ":", "#", "\u{FEFF}",
        ]
        var read = 0, refused = 0
        for _ in 0..<20_000 {
            var bytes = seeds[Int.random(in: 0..<seeds.count, using: &random)]
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                let at = Int.random(in: 0...bytes.count, using: &random)
                switch Int.random(in: 0..<5, using: &random) {
                case 0 where at < bytes.count: bytes.remove(at: at)
                case 1 where at < bytes.count: bytes[at] = UInt8.random(in: 0...255, using: &random)
                case 2: bytes.insert(contentsOf: pieces[Int.random(in: 0..<pieces.count, using: &random)].utf8, at: at)
                case 3: bytes.removeLast(bytes.count - at)
                default: bytes.insert(contentsOf: seeds[Int.random(in: 0..<seeds.count, using: &random)], at: at)
                }
            }
            do throws(TOMLError) {
                _ = shown(try TOML.parse(bytes))
                read += 1
            } catch {
                refused += 1
                let lines = bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
                let isInside =
                    lines.indices.contains(error.position.line - 1) && error.position.column >= 1
                    && error.position.column <= lines[error.position.line - 1].count + 1
                #expect(isInside, "\(error) in \(bytes)")
            }
        }
        #expect(read > 500 && refused > 500)
    }
}

/// The same numbers in every run (SplitMix64).
private struct Repeatable: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}
