import CProviderMessage
import Foundation
import NIOCore
import StrictJSON

@testable import Varlink

/// A text of the provider's reader.
private typealias ProviderText = CProviderMessage.json

extension FuzzTarget {
    private static let jsonTokens = [
        "{", "}", "[", "]", ":", ",", "\"", "true", "false", "null", "\\u0000", "\\ud83d\\ude00", "\\ud800", "\\/", "-0", "1e9", "0.5",
        "é", "{\"a\":", "[[[[[[[[",
    ]

    /// The strict reader. What it accepts has one form when it is written again, is the same in a document that is
    /// reused, and has the values that Foundation's reader finds.
    static let json = FuzzTarget("json", tokens: jsonTokens) {
        [#"{"a":[1,-2.5e3,"\u00e9\ud83d\ude00\n",true,null],"b":{"c":{}}}"#, #"["",0,9223372036854775807]"#, "\"é\"", "-0"]
            .map { Array($0.utf8) }
    } check: { bytes in
        var reused = JSONDocument.emptyObject
        guard let document = try? JSONDocument(parsing: bytes) else {
            try expect((try? reused.parse(bytes[...])) == nil, "a document that is reused accepts what a new one refuses")
            return false
        }
        try must("a document that is reused refuses what a new one accepts") { try reused.parse(bytes[...]) }
        let once = try written(document.root)
        try expect(try written(reused.root) == once, "a document that is reused has other values")
        let again = try must("what was written is refused") { try JSONDocument(parsing: once) }
        try expect(try written(again.root) == once, "what was written has two forms")
        if hasPlainNumbers(document.root) {
            let other = try must("Foundation refuses it") {
                try JSONSerialization.jsonObject(with: Data(bytes), options: [.fragmentsAllowed])
            }
            try expect(isSame(document.root, other), "Foundation reads other values")
        }
        return true
    }

    /// Writes a value again.
    private static func written(_ value: JSONValue) throws -> [UInt8] {
        var writer = JSONWriter()
        try must("a value that was read cannot be used") { try write(value, to: &writer) }
        return writer.bytes
    }

    private static func write(_ value: JSONValue, to writer: inout JSONWriter) throws {
        switch value.kindName {
        case "object":
            writer.beginObject()
            for member in try value.object() {
                writer.name(member.name)
                try expect(member.printableName.utf8.allSatisfy { (0x20..<0x7F).contains($0) }, "a printable name is not printable")
                try write(member.value, to: &writer)
            }
            writer.endObject()
        case "array":
            writer.beginArray()
            for element in try value.array() { try write(element, to: &writer) }
            writer.endArray()
        case "string":
            let text = try value.string()
            try expect(try value.stringBytes().elementsEqual(text.utf8), "a string has other bytes")
            writer.string(text)
        default: writer.raw(value.source)
        }
    }

    /// Whether Foundation, which has limits of its own for numbers, reads them too.
    private static func hasPlainNumbers(_ value: JSONValue) -> Bool {
        if let members = try? value.object() { return members.allSatisfy { hasPlainNumbers($0.value) } }
        if let elements = try? value.array() { return elements.allSatisfy(hasPlainNumbers) }
        return value.kindName == "string" || (value.source.count <= 15 && !value.source.contains { $0 | 0x20 == UInt8(ascii: "e") })
    }

    private static func isSame(_ value: JSONValue, _ other: Any) -> Bool {
        if value.isNull { return other is NSNull }
        if let bool = try? value.bool() { return other as? Bool == bool }
        if let text = try? value.string() { return (other as? String).map { $0.utf8.elementsEqual(text.utf8) } ?? false }
        if let elements = try? value.array() {
            guard let others = other as? [Any], others.count == elements.count else { return false }
            return zip(elements, others).allSatisfy { isSame($0, $1) }
        }
        if let object = try? value.object() {
            guard let others = other as? [String: Any] else { return false }
            // Foundation compares names by canonical equivalence, and keeps one of those that are.
            guard others.count == object.count else { return others.count < object.count }
            return object.allSatisfy { member in others[member.name].map { isSame(member.value, $0) } ?? false }
        }
        if let integer = try? value.integer() { return (other as? NSNumber)?.int64Value == integer }
        return (try? value.double()) == (other as? NSNumber)?.doubleValue
    }

    /// A stream of messages, as a peer cuts it: however it arrives, it has the same messages; a call and a reply that
    /// are read can be written and are read again.
    static let frame = FuzzTarget("frame", tokens: jsonTokens + ["\0", "\"method\":\"a.b.C\"", "\"more\":true", "\"parameters\":{}"]) {
        [
            #"{"method":"org.example.Do","parameters":{"n":["é"]},"more":true}"# + "\0" + #"{"method":"a.b.C","oneway":true}"# + "\0",
            #"{"parameters":{"a":1},"continues":true}"# + "\0" + #"{"error":"a.b.C","parameters":{"x":null}}"# + "\0",
        ].map { Array($0.utf8) }
    } check: { bytes in
        let whole = messages(in: [bytes[...]])
        // The pieces' lengths come from the bytes themselves.
        var pieces: [ArraySlice<UInt8>] = [], rest = bytes[...]
        while let first = rest.first {
            pieces.append(rest.prefix(1 + Int(first % 23)))
            rest = rest.dropFirst(1 + Int(first % 23))
        }
        try expect(messages(in: pieces) == whole, "a stream in pieces has other messages")
        var isAccepted = false
        for message in whole.messages {
            if let call = try? VarlinkCall(parsing: message) {
                let parameters = Array(call.parameters.source)
                var buffer = ByteBuffer()
                VarlinkMessageEncoder.writeCall(
                    "\(call.method)", parameters: parameters, oneway: call.isOneway, more: call.wantsMore, to: &buffer)
                let read = try must("a call that was written is refused") { try VarlinkCall(parsing: onlyMessage(in: buffer)) }
                try expect(
                    read.method == call.method && read.isOneway == call.isOneway && read.wantsMore == call.wantsMore
                        && read.parameters.source.elementsEqual(call.parameters.source), "a call that was written is another one")
                isAccepted = true
            }
            if let reply = try? VarlinkReply.parse(message, limits: .default) {
                var buffer = ByteBuffer()
                VarlinkMessageEncoder.writeReply(Array(reply.parameters.source), continues: reply.continues, to: &buffer)
                let read = try must("a reply that was written is refused") {
                    try VarlinkReply.parse(try onlyMessage(in: buffer), limits: .default)
                }
                try expect(
                    read.continues == reply.continues && read.parameters.source.elementsEqual(reply.parameters.source),
                    "a reply that was written is another one")
                isAccepted = true
            }
        }
        return isAccepted
    }

    private struct Stream: Equatable {
        var messages: [[UInt8]] = []
        var isTooLong = false
    }

    private static func messages(in pieces: [ArraySlice<UInt8>]) -> Stream {
        var framer = VarlinkFramer(maximumMessageSize: 256), stream = Stream()
        for piece in pieces {
            framer.append(piece)
            do throws(VarlinkFramingError) {
                while let message = try framer.next() { stream.messages.append(Array(message)) }
            } catch {
                stream.isTooLong = true
                return stream
            }
        }
        return stream
    }

    /// The one message that was written.
    private static func onlyMessage(in buffer: ByteBuffer) throws -> [UInt8] {
        var framer = VarlinkFramer(maximumMessageSize: 8_192)
        framer.append(buffer.readableBytesView)
        guard let message = try framer.next().map(Array.init), framer.bufferedBytes == 0 else {
            throw Finding("not one message was written")
        }
        return message
    }

    /// The OpenSSL provider's reader, which is C. What the agent's reader accepts it reads too, within its limits: the
    /// same members with the same texts. base64url that it decodes is what it encodes.
    static let providerJSON = FuzzTarget("provider-json", tokens: jsonTokens + ["\"parameters\"", "\"signature\"", "\"error\""]) {
        [
            #"{"parameters":{"signature":"3q2-7w"}}"#, #"{"error":"org.acmeagent.Agent.KeyNotFound","parameters":{"name":"w\u00e9b\n"}}"#,
            #"{ "a" : [ 1 , { } ] }"#,
        ].map { Array($0.utf8) }
    } check: { bytes in
        guard !bytes.isEmpty, let document = try? JSONDocument(parsing: bytes), hasIntegersOnly(document.root) else { return false }
        return try bytes.withUnsafeBytes { raw -> Bool in
            let text = ProviderText(bytes: raw.bindMemory(to: CChar.self).baseAddress, length: raw.count)
            try expect(json_is_valid(text) == 1, "the provider refuses what the agent's reader accepts")
            guard let object = try? document.root.object() else { return true }
            for member in object { try check(member, of: text, in: bytes) }
            return true
        }
    }

    /// A member whose name is written without escapes, as the agent writes its own.
    private static func check(_ member: JSONMember, of object: ProviderText, in bytes: [UInt8]) throws {
        let name = member.name
        guard !name.isEmpty, name.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: "\"") && $0 != UInt8(ascii: "\\") }),
            bytes.firstRange(of: "\"\(name)\"".utf8) != nil, !bytes.contains(UInt8(ascii: "\\")) || !name.utf8.contains(UInt8(ascii: "/"))
        else { return }
        var value = ProviderText()
        guard json_member(object, name, &value) == 1 else {
            try expect(bytes.firstRange(of: "\\u".utf8) != nil, "the provider does not find \"\(name)\"")
            return
        }
        guard let expected = try? member.value.string() else { return }
        var found = [CChar](repeating: 1, count: 8_192)
        try expect(json_string(value, &found, found.count) == 1, "the provider does not read a text")
        let read = found.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
        if expected.utf8.allSatisfy({ ($0 >= 0x20 && $0 < 0x7F) || $0 == 0x0A }) {
            try expect(read.elementsEqual(expected.utf8), "the provider reads another text")
        }
        try expect(read.allSatisfy { ($0 >= 0x20 && $0 < 0x7F) || $0 == 0x0A }, "the provider gives out what a terminal obeys")
        try checkBase64(read)
    }

    private static func checkBase64(_ text: [UInt8]) throws {
        var decoded = [UInt8](repeating: 0, count: 8_192), count = 0
        guard base64url_decode(text.map { CChar(bitPattern: $0) } + [0], &decoded, decoded.count, &count) == 1 else { return }
        var encoded = [CChar](repeating: 0, count: 4 * ((count + 2) / 3) + 1)
        let length = base64url_encode(decoded, count, &encoded)
        try expect(encoded.prefix(length).map { UInt8(bitPattern: $0) } == text, "base64url has two forms")
    }

    /// The agent sends no other numbers, and the provider reads no others.
    private static func hasIntegersOnly(_ value: JSONValue) -> Bool {
        if let members = try? value.object() { return members.allSatisfy { hasIntegersOnly($0.value) } }
        if let elements = try? value.array() { return elements.allSatisfy(hasIntegersOnly) }
        return !["number", "integer"].contains(value.kindName)
            || value.source.allSatisfy { $0 == UInt8(ascii: "-") || (0x30...0x39).contains($0) }
    }
}
