import Testing
import Varlink

@Suite struct VarlinkFramerTests {
    private func messages(_ framer: inout VarlinkFramer) throws -> [[UInt8]] {
        var result: [[UInt8]] = []
        while let message = try framer.next() { result.append(Array(message)) }
        return result
    }

    private func bytes(_ text: String) -> [UInt8] { text.utf8.map { $0 == UInt8(ascii: "|") ? 0 : $0 } }

    @Test func wholeMessages() throws {
        var framer = VarlinkFramer(maximumMessageSize: 16)
        #expect(try framer.next() == nil)
        framer.append(bytes("one|"))
        #expect(try messages(&framer) == [bytes("one")])
        framer.append(bytes("two|three|fo"))
        #expect(try messages(&framer) == [bytes("two"), bytes("three")])
        #expect(framer.bufferedBytes == 2)
        framer.append(bytes("ur|"))
        #expect(try messages(&framer) == [bytes("four")])
        #expect(framer.bufferedBytes == 0)
    }

    @Test func byteByByte() throws {
        let stream = bytes("{\"a\":1}|{}||x|")
        var framer = VarlinkFramer(maximumMessageSize: 8)
        var found: [[UInt8]] = []
        for byte in stream {
            framer.append(CollectionOfOne(byte))
            found += try messages(&framer)
        }
        #expect(found == [bytes("{\"a\":1}"), bytes("{}"), [], bytes("x")])
    }

    @Test("cut anywhere, the messages are the same")
    func everyCut() throws {
        let stream = bytes("alpha|beta||gamma|delta|")
        for first in 0...stream.count {
            for second in first...stream.count {
                var framer = VarlinkFramer(maximumMessageSize: 5)
                var found: [[UInt8]] = []
                for part in [stream[..<first], stream[first..<second], stream[second...]] {
                    framer.append(part)
                    found += try messages(&framer)
                }
                #expect(found == [bytes("alpha"), bytes("beta"), [], bytes("gamma"), bytes("delta")])
            }
        }
    }

    @Test func onlyNULs() throws {
        var framer = VarlinkFramer(maximumMessageSize: 4)
        framer.append([0, 0, 0])
        #expect(try messages(&framer) == [[], [], []])
    }

    @Test func limit() throws {
        var framer = VarlinkFramer(maximumMessageSize: 4)
        framer.append(bytes("1234|"))
        #expect(try framer.next().map(Array.init) == bytes("1234"))
        framer.append(bytes("1234"))
        #expect(try framer.next() == nil)
        framer.append(bytes("5"))
        #expect(throws: VarlinkFramingError.messageTooLong(limit: 4)) { try framer.next() }

        var whole = VarlinkFramer(maximumMessageSize: 4)
        whole.append(bytes("ok|12345|"))
        #expect(try whole.next().map(Array.init) == bytes("ok"))
        #expect(throws: VarlinkFramingError.messageTooLong(limit: 4)) { try whole.next() }
    }

    @Test("a long message in single bytes, and many short ones at once, are read in linear time")
    func linear() throws {
        let size = 400_000
        var framer = VarlinkFramer(maximumMessageSize: size)
        for _ in 0..<size {
            framer.append(CollectionOfOne(UInt8(ascii: "x")))
            #expect(try framer.next() == nil)
        }
        framer.append(CollectionOfOne(0))
        #expect(try framer.next()?.count == size)

        framer.append([UInt8](repeating: 0, count: size))
        var count = 0
        while try framer.next() != nil {
            count += 1
            if count < 1000 { framer.append(CollectionOfOne(0)) }
        }
        #expect(count == size + 999)
    }
}
