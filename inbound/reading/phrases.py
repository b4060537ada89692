"""What mail programs and people write around a message, in their languages: pieces of regular expressions.

Each list holds phrases parted by semicolons; case does not count.
"""

import re
from collections.abc import Mapping


def _choices(phrases: str) -> str:
    """One of the phrases, as a group."""
    found = re.split(r";\s*", phrases.strip())
    return f"(?:{'|'.join(filter(None, found))})"


# In `On …, Ann wrote:`, as a word of its own.
WROTE = _choices(
    r"""
    wrote; writes; schrieb; schrieben; hat geschrieben; geschrieben; écrit; escribió; ha scritto; escreveu;
    schreef; skrev; napisał; napisała; napsal; napsala; napísal; написал; написала; писал; пишет; пише;
    написав; yazdı; kirjoitti; írta; έγραψε; scris; написа; napisao; napisal; va escriure; idatzi; menulis;
    viết; rašė; rakstīja; kirjutas; skrifaði; כתב; כתבה; كتب;
    """
)
# The same in scripts that do not part words.
WROTE_UNSPACED = _choices(
    r"""
    写道; 寫道; のメール; さんは書きました; 님이 작성; 작성;
    """
)
# Between dashes, above the message that is answered.
ORIGINAL_MESSAGE = _choices(
    r"""
    Original[ -](?:Message|Nachricht|Mail|Appointment); Ursprüngliche (?:Nachricht|E-Mail);
    Originalnachricht; Message d'origine; Message original; Mensaje original; Messaggio originale;
    Oorspronkelijk bericht; Mensagem original; Ursprungligt meddelande; Opprinnelig melding;
    Oprindelig meddelelse; Alkuperäinen viesti; Wiadomość oryginalna; Oryginalna wiadomość;
    Исходное сообщение; Původní zpráva; Eredeti üzenet; Orijinal Mesaj; 原始邮件; 原始郵件; 元のメッセージ;
    원본 메일; Reply message; Reply Message; Antwortnachricht;
    """
)
# Between dashes, above a message that is passed on.
FORWARDED_MESSAGE = _choices(
    r"""
    Forwarded (?:message|by)[^-]{0,200}; Weitergeleitete Nachricht;
    Message (?:transféré|transmis|réexpédié); Mensaje (?:reenviado|enviado); Messaggio inoltrato;
    Doorgestuurd bericht; Mensagem (?:encaminhada|reencaminhada); Vidarebefordrat meddelande;
    Videresendt (?:melding|meddelelse); Välitetty viesti; Wiadomość przekazana; Przekazana wiadomość;
    Пересылаемое сообщение; Přeposlaná zpráva; İletilen mesaj; 转发的?(?:邮件|邮件信息);
    轉寄(?:郵件|的郵件); 転送(?:メッセージ|メール); 전달된 메일;
    """
)
# Alone in a line above a message that is passed on.
BEGIN_FORWARDED = _choices(
    r"""
    Begin forwarded message; Anfang der weitergeleiteten (?:Nachricht|E-Mail);
    Début du message (?:réexpédié|transféré); Inicio del mensaje reenviado; Inizio messaggio inoltrato;
    Begin doorgestuurd bericht; Início da mensagem (?:reencaminhada|encaminhada);
    Start på vidarebefordrat meddelande; 転送されたメッセージ;
    """
)
# At the start of a line that a telephone or a program adds.
FROM_A_DEVICE = _choices(
    r"""
    sent (?:from|via|with|by) (?:my|the|mail for|outlook|yahoo|gmail|proton|samsung|android|an? );
    sent from \w+(?: \w+)?\s*\Z; get outlook for; von meinem .{2,40} gesendet; gesendet (?:von|mit|via|aus);
    von outlook für; holen sie sich outlook; diese nachricht wurde von meinem;
    envoyé (?:de|depuis|à partir de); télécharge[rz] outlook; obtenez outlook;
    enviado (?:desde|do|de|a partir|con); obtener outlook; obtenha o outlook; inviato da; scarica outlook;
    ottieni outlook; verstuurd vanaf; verzonden (?:vanaf|met); outlook voor; skickat från; sendt fra;
    lähetetty; wysłane (?:z|ze); wysłano z; отправлено (?:с|из); odesláno z; iphone'?umdan;
    (?:iphone|ipad|android|スマホ).{0,10}から送信; 发自我的; 從我的.{2,20}傳送; 나의 .{2,20}에서 보냄;
    yahoo mail: search, organize;
    """
)
# A line that takes leave; a name follows.
CLOSING = _choices(
    r"""
    (?:best|kind|warm|kindest|warmest|many|with (?:best|kind))(?: (?:regards|wishes|thanks))?; regards;
    cheers; sincerely(?: yours)?; yours (?:sincerely|faithfully|truly); all the best;
    thanks(?: and (?:best|kind) regards)?; thank you; many thanks; br; rgds;
    (?:mit )?(?:freundlichen?|besten?|lieben?|herzlichen?|schönen?|viele[nr]?|sonnigen?) grü(?:ß|ss)en?;
    mfg; lg; vg; gru(?:ß|ss); (?:bien )?cordialement; bien à vous; sincères salutations; salutations;
    amicalement; à bientôt; (?:un )?(?:cordial )?saludos?(?: cordiales)?; atentamente; un abrazo;
    cordiali saluti; distinti saluti; saluti; un saluto; atenciosamente; abraços?;
    com os melhores cumprimentos; cumprimentos; met vriendelijke groet(?:en)?; groet(?:en|jes)?; mvg;
    med vänlig(?:a)? häls(?:ning|ningar); (?:med )?vennlig hilsen; (?:med )?venlig hilsen; mvh; hilsen;
    ystävällisin terveisin; terveisin; pozdrawiam; z poważaniem; s pozdravem; с уважением; saygılarımla;
    üdvözlettel; よろしくお願い(?:いた)?します; 以上; 此致;
    """
)
# The fields of the block that Outlook writes above what is answered.
FIELDS: Mapping[str, str] = {
    "from": _choices(
        r"""
        from; von; de; da; van; från; fra; lähettäjä; od; от; kimden; feladó; 差出人; 发件人; 寄件者;
        보낸 사람;
        """
    ),
    "sent": _choices(
        r"""
        sent; date; gesendet; datum; envoyé; enviado(?: el)?; enviada em; data; fecha; inviato; verzonden;
        skickat; sendt; dato; lähetetty; wysłano; отправлено; дата; odesláno; gönderildi; tarih; elküldve;
        送信日時; 日時; 发送时间; 日期; 보낸 날짜; 날짜;
        """
    ),
    "to": _choices(
        r"""
        to; an; à; para; a; aan; till; til; vastaanottaja; do; кому; komu; kime; címzett; 宛先; 收件人;
        收件者; 받는 사람;
        """
    ),
    "subject": _choices(
        r"""
        subject; betreff; objet; asunto; oggetto; onderwerp; ämne; emne; aihe; temat; тема; předmět; konu;
        tárgy; assunto; 件名; 主题; 主旨; 제목;
        """
    ),
    "cc": _choices(
        r"""
        cc; kopie; kopia; kopi; copie; copia; cópia; копия; 抄送; 副本; 참조;
        """
    ),
}
