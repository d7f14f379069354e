"""The words and sentences of Brambleford in Thai: a third script, whose letters take three bytes each.

Thai bends no word, so a slot fits whatever stands in it. There are no spaces between words; one stands
between sentences, where English has its full stop.
"""

from __future__ import annotations

_PAIRS = (
    "ada อาดา ben เบน cleo คลีโอ dora โดรา evan อีวาน faye เฟย์ gus กัส hana ฮานา igor อิกอร์ june จูน kit คิต "
    "lena เลนา milo ไมโล nora โนรา otto ออตโต pia เปีย quin ควิน rosa โรซา seth เซธ tara ทารา uma อูมา vito วีโต "
    "wren เรน zoe โซอี "
    "oki โอกิ pru พรู rex เร็กซ์ sal แซล tam แทม uli อูลี val แวล wim วิม yan ยาน zed เซด arlo อาร์โล bix บิกซ์ "
    "cora คอรา dax แดกซ์ esme เอสเม finn ฟินน์ greta เกรตา hugo ฮูโก isla ไอลา joss จอส "
    "fox จิ้งจอก hen แม่ไก่ goat แพะ cat แมว dog สุนัข crow อีกา duck เป็ด frog กบ hare กระต่าย mole ตุ่น pig หมู "
    "toad คางคก wolf หมาป่า bear หมี bee ผึ้ง mouse หนู "
    "mill โรงสี barn ยุ้งฉาง wood ป่า pond สระน้ำ hill เนินเขา cave ถ้ำ farm ฟาร์ม shed เพิง well บ่อน้ำ tower หอคอย "
    "garden สวน meadow ทุ่งหญ้า "
    "apple แอปเปิล key กุญแจ drum กลอง book หนังสือ hat หมวก bell กระดิ่ง kite ว่าว lamp ตะเกียง coin เหรียญ "
    "cake เค้ก boat เรือ rope เชือก "
    "red สีแดง blue สีน้ำเงิน green สีเขียว white สีขาว black สีดำ gold สีทอง grey สีเทา pink สีชมพู "
    "baker คนทำขนมปัง smith ช่างตีเหล็ก weaver ช่างทอผ้า farmer ชาวนา tailor ช่างตัดเสื้อ potter ช่างปั้นหม้อ "
    "singer นักร้อง fisher ชาวประมง "
    "soup ซุป bread ขนมปัง jam แยม corn ข้าวโพด plums ลูกพลัม nuts ถั่ว pie พาย cheese ชีส "
    "small ตัวเล็ก brave กล้าหาญ lazy ขี้เกียจ kind ใจดี proud หยิ่ง quick ว่องไว clever ฉลาด shy ขี้อาย "
    "morning เช้าวัน evening เย็นวัน day วัน night คืน "
    "happy มีความสุข glad ดีใจ merry ร่าเริง sad เศร้า angry โกรธ lonely เหงา"
)
WORDS = dict(zip(_PAIRS.split()[::2], _PAIRS.split()[1::2], strict=True))

SENTENCES: dict[str, list[str]] = {
    "hero": [
        "กาลครั้งหนึ่งมี{animal}{trait}ตัวหนึ่งชื่อ{hero} {hero}อาศัยอยู่ที่{place}",
        "ที่{place}มี{animal}{trait}ตัวหนึ่งอาศัยอยู่ {animal}ตัวนั้นชื่อ{hero}",
    ],
    "find": [
        "{time}หนึ่ง{hero}พบ{object}{colour}",
        "{time}หนึ่ง{hero}เห็น{object}{colour}แล้วนำกลับบ้าน",
    ],
    "good": [
        "{hero}ให้{object}แก่{other}ชื่อ{friend} {friend}{feeling}มาก {hero}กับ{friend}วิ่งกลับบ้านด้วยกัน",
        "{other}ชื่อ{friend}ขอ{object} พวกเขาเล่นด้วยกันและ{feeling}มาก",
    ],
    "bad": [
        "แต่{other}ชื่อ{friend}เอา{object}ไป {hero}{feeling}มาก {hero}วิ่งกลับบ้านตามลำพัง",
        "แต่{object}หายไป {other}ชื่อ{friend}ไม่ได้ช่วย {hero}{feeling}มาก",
    ],
    "end": ["จบบริบูรณ์"],
    "home": ["{name}อยู่ที่{value}", "{value}เป็นบ้านของ{name}", "พบ{name}ได้ที่{value}"],
    "pet": ["{name}เลี้ยง{value}ตัวหนึ่ง", "{value}ของ{name}ใจดีมาก", "สัตว์เลี้ยงของ{name}คือ{value}"],
    "job": ["{name}ทำงานเป็น{value}", "{value}ที่นี่คือ{name}", "งานของ{name}คืองานของ{value}"],
    "food": ["{name}กิน{value}", "{value}มีไว้สำหรับ{name}", "{name}ชอบกิน{value}"],
    "colour": ["{name}ชอบ{value}", "{value}เป็นสีของ{name}", "เสื้อคลุมของ{name}เป็น{value}"],
    "ask home": ["ถาม: {name}อยู่ที่ไหน ตอบ: {value}"],
    "ask pet": ["ถาม: {name}เลี้ยงอะไร ตอบ: {value}"],
    "ask job": ["ถาม: {name}ทำงานอะไร ตอบ: {value}"],
    "ask food": ["ถาม: {name}กินอะไร ตอบ: {value}"],
    "ask colour": ["ถาม: {name}ชอบสีอะไร ตอบ: {value}"],
    "note": ["บันทึก:"],
    "sum": ["{a}+{b}={c}"],
    "list": ["รายการ: {words} อีกครั้ง: {words}"],
    "first": ["คำแรก: {word}"],
    "last": ["คำสุดท้าย: {word}"],
    "pirate": [
        "โจรสลัดพูดว่า อะฮอย สหาย {object}อยู่ที่{place} อาร์",
        "โจรสลัดพูดว่า อาร์ {object}ที่{place}เป็นของเจ้า สหาย",
    ],
    "robot": [
        "หุ่นยนต์พูดว่า ปี๊บ บู๊บ คำนวณ: {object}อยู่ที่{place} เปลี่ยน",
        "หุ่นยนต์พูดว่า ปี๊บ ที่{place}มี{object} บู๊บ เปลี่ยน",
    ],
    "poet": [
        "กวีพูดว่า โอ้{object}อันอ่อนโยน โอ้{place}อันแสนหวาน จงฟังบทกวีของข้า",
        "กวีพูดว่า {place}ช่างแสนหวาน {object}ช่างอ่อนโยน โอ้บทกวี",
    ],
}
