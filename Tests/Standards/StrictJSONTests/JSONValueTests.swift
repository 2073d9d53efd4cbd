import StrictJSON
import Testing

/// The accessors: they check types and ranges, and unknown members are refused.
@Suite struct JSONValueTests {
    private func object(_ text: String) throws -> JSONObject { try JSONDocument(parsing: Array(text.utf8)).root.object() }

    private func refusal<Result>(_ read: () throws(JSONError) -> Result) -> JSONError.Reason? {
        do throws(JSONError) {
            _ = try read()
            return nil
        } catch {
            return error.reason
        }
    }

    @Test func integers() throws {
        let object = try object(
            #"{"a":9007199254740993,"b":9223372036854775807,"c":-9223372036854775808,"d":9223372036854775808,"e":1.0,"f":1e2,"g":"1","h":-0}"#
        )
        #expect(try object.integer("a") == 9_007_199_254_740_993)
        #expect(try object.integer("b") == .max)
        #expect(try object.integer("c") == .min)
        #expect(refusal { () throws(JSONError) in try object.integer("d") } == .integerOutOfRange)
        #expect(refusal { () throws(JSONError) in try object.integer("e") } == .wrongType)
        #expect(refusal { () throws(JSONError) in try object.integer("f") } == .wrongType)
        #expect(refusal { () throws(JSONError) in try object.integer("g") } == .wrongType)
        #expect(try object.integer("h") == 0)
    }

    @Test func doubles() throws {
        let object = try object(#"{"a":1e400,"b":-1e400,"c":2.5,"d":7,"e":1e-400}"#)
        #expect(refusal { () throws(JSONError) in try object.required("a").double() } == .integerOutOfRange)
        #expect(refusal { () throws(JSONError) in try object.required("b").double() } == .integerOutOfRange)
        #expect(try object.required("c").double() == 2.5)
        #expect(try object.required("d").double() == 7)
        #expect(refusal { () throws(JSONError) in try object.required("a").integer() } == .wrongType)
    }

    @Test func strings() throws {
        let object = try object(#"{"a":"\u00e9\ud83d\ude00\n\/","b":"plain","c":1}"#)
        #expect(try object.string("a") == "é😀\n/")
        #expect(try object.required("a").stringBytes() == Array("é😀\n/".utf8))
        #expect(try Array(object.required("b").utf8()) == Array("plain".utf8))
        #expect(try Array(object.required("a").utf8()) == Array("é😀\n/".utf8))
        #expect(refusal { () throws(JSONError) in try object.string("c") } == .wrongType)
        #expect(refusal { () throws(JSONError) in try object.required("c").utf8("c") } == .wrongType)
    }

    @Test func nullIsAbsent() throws {
        let object = try object(#"{"a":null}"#)
        let isAbsent = object.optional("a") == nil
        #expect(isAbsent)
        #expect(try object.optionalString("a") == nil)
        #expect(try object.optionalInteger("b") == nil)
        #expect(refusal { () throws(JSONError) in try object.required("a") } == .missingMember)
        #expect(refusal { () throws(JSONError) in try object.required("b") } == .missingMember)
    }

    @Test func unknownMembers() throws {
        let object = try object(#"{"a":1,"\u0062":2,"c!":{"x":[1,2]}}"#)
        try object.finish(known: ["a", "b", "c!"])
        do throws(JSONError) {
            try object.finish(known: ["a", "c!"])
            Issue.record("an unknown member was overlooked")
        } catch {
            #expect(error.reason == .unknownMember)
            #expect(error.member == "b")
        }
    }

    @Test func walkingMembers() throws {
        let object = try object(#"{"a":[1,[2,3]],"\u0062":{"c":{}},"d":"x"}"#)
        #expect(object.map(\.name) == ["a", "b", "d"])
        #expect(object.map { $0.isNamed("b") } == [false, true, false])
        #expect(object.map { $0.isNamed("") } == [false, false, false])
        #expect(object.map { String(decoding: $0.value.source, as: UTF8.self) } == ["[1,[2,3]]", #"{"c":{}}"#, "\"x\""])
        #expect(object.members.map(\.name) == ["a", "b", "d"])
        #expect(String(decoding: object.source, as: UTF8.self) == #"{"a":[1,[2,3]],"\u0062":{"c":{}},"d":"x"}"#)
    }

    @Test func theEmptyObject() throws {
        #expect(JSONObject.empty.count == 0)
        #expect(Array(JSONObject.empty).isEmpty)
        #expect(Array(JSONObject.empty.source) == Array("{}".utf8))
        try JSONObject.empty.finish(known: [])
    }

    @Test func arrays() throws {
        let object = try object(#"{"a":["x","y"],"b":["x",1],"c":[]}"#)
        #expect(try object.strings("a") == ["x", "y"])
        #expect(refusal { () throws(JSONError) in try object.strings("b") } == .wrongType)
        #expect(try object.strings("c") == [])
        #expect(refusal { () throws(JSONError) in try object.object("a") } == .wrongType)
    }

    @Test("A reused document leaves values of its earlier text unchanged, and is {} after an invalid text")
    func usedAgain() throws {
        var document = JSONDocument.emptyObject
        try document.parse(Array(#"{"a":{"b":["first",1]}}"#.utf8)[...])
        let former = try document.root.object().object("a")
        try document.parse(Array(#"[1,{"a":"second"},[[]]]"#.utf8)[...])
        #expect(try former.array("b").first?.string() == "first")
        #expect(try document.root.array().map(\.kindName) == ["number", "object", "array"])
        for text in [#"{"a":[{"b":1}"#, #"{"a":1,"a":2}"#, "", "[[[[[[[[[]]]]]]]]]"] {
            #expect(throws: JSONError.self) { try document.parse(Array(text.utf8)[...]) }
            #expect(try document.root.object().count == 0)
        }
        try document.parse(Array(#""third""#.utf8)[...])
        #expect(try document.root.string() == "third")
    }
}
